"""What happened with emails, and what was answered to them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, String, Text, and_, case, cast, func, or_

from comms.rules.states import EmailStatus
from comms.services.timeline.columns import REASON, audited, entry
from comms.store.models import AuditEntry, DeliveryAttempt, Email, EmailBatch

_QUEUED = ("email.queue", "email.requeue", "email.resolve_queued")
_ENDED = ("email.cancel", "email.bounce", "email.resolve_canceled", "email.resolve_bounced")
_ATTEMPTS = {"defer": "deferred", "refuse": "failed", "lose": "in_doubt"}


def created(therapist_id: int) -> Select[Any]:
    said = {"email_id": Email.id, "code": Email.template, "actor": AuditEntry.actor}
    found = entry("created", Email.created_at, Email.id, **said)
    found = found.outerjoin_from(Email, AuditEntry, audited("email", Email.id, "email.create"))
    return found.where(Email.therapist_id == therapist_id)


def queued(therapist_id: int) -> Select[Any]:
    """The last time it was queued."""
    found = entry("queued", Email.queued_at, Email.id, email_id=Email.id, actor=AuditEntry.actor)
    by = and_(audited("email", Email.id, *_QUEUED), AuditEntry.at == Email.queued_at)
    found = found.outerjoin_from(Email, AuditEntry, by)
    return found.where(Email.therapist_id == therapist_id, Email.queued_at.is_not(None))


def queued_before(therapist_id: int) -> Select[Any]:
    found = entry("queued", AuditEntry.at, AuditEntry.id, email_id=Email.id, actor=AuditEntry.actor)
    found = found.join_from(Email, AuditEntry, audited("email", Email.id, *_QUEUED))
    return found.where(
        Email.therapist_id == therapist_id, or_(Email.queued_at.is_(None), AuditEntry.at != Email.queued_at)
    )


def attempts(therapist_id: int) -> Select[Any]:
    event = case(_ATTEMPTS, value=DeliveryAttempt.outcome)
    code = func.coalesce(cast(DeliveryAttempt.code, String(60)), DeliveryAttempt.fault)
    found = entry(event, DeliveryAttempt.finished_at, DeliveryAttempt.id, email_id=Email.id, code=code)
    found = found.join_from(Email, DeliveryAttempt, DeliveryAttempt.email_id == Email.id)
    ended = DeliveryAttempt.finished_at.is_not(None), DeliveryAttempt.outcome.in_(_ATTEMPTS)
    return found.where(Email.therapist_id == therapist_id, *ended)


def sent(therapist_id: int) -> Select[Any]:
    found = entry("sent", Email.sent_at, Email.id, email_id=Email.id)
    return found.where(Email.therapist_id == therapist_id, Email.sent_at.is_not(None))


def ended(therapist_id: int) -> Select[Any]:
    """Canceled or bounced: by a person at its instant in the audit log, else when it last changed."""
    at = func.coalesce(AuditEntry.at, Email.updated_at)
    found = entry(
        Email.status,
        at,
        Email.id,
        email_id=Email.id,
        code=Email.status_reason,
        actor=AuditEntry.actor,
        text=cast(REASON, Text),
    )
    found = found.outerjoin_from(Email, AuditEntry, audited("email", Email.id, *_ENDED))
    ended = Email.status.in_([EmailStatus.CANCELED, EmailStatus.BOUNCED])
    return found.where(Email.therapist_id == therapist_id, ended)


def received(therapist_id: int) -> Select[Any]:
    at = func.coalesce(Email.response_date, Email.updated_at)
    found = entry("received", at, Email.id, email_id=Email.id, text=Email.response_content)
    return found.where(Email.therapist_id == therapist_id, Email.response_received)


def outcomes(therapist_id: int) -> Select[Any]:
    found = entry(
        EmailBatch.response_outcome,
        func.coalesce(EmailBatch.responded_at, Email.updated_at),
        EmailBatch.id,
        email_id=Email.id,
        placement_request_id=EmailBatch.placement_request_id,
        text=EmailBatch.response_notes,
    )
    found = found.join_from(Email, EmailBatch, EmailBatch.email_id == Email.id)
    return found.where(Email.therapist_id == therapist_id, EmailBatch.response_outcome.is_not(None))


def overridden(therapist_id: int) -> Select[Any]:
    at = func.coalesce(Email.queued_at, Email.created_at)
    found = entry("overridden", at, Email.id, email_id=Email.id, text=Email.override_reason)
    return found.where(Email.therapist_id == therapist_id, Email.override_reason.is_not(None))
