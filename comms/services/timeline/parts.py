"""What a timeline is made of: one query per source, all with the same columns, so that the database can put them in
one order.

Where two things happened at the same instant, a later part comes after an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)

from comms.rules.states import EmailStatus, PhoneCallStatus
from comms.services.timeline.refusals import refusals
from comms.store.models import (
    AuditEntry,
    DeliveryAttempt,
    Email,
    EmailBatch,
    PhoneCall,
    PhoneCallBatch,
    UtcDateTime,
)


class Kind(StrEnum):
    EMAIL = "email"
    ANSWER = "answer"
    CALL = "call"
    REFUSAL = "refusal"
    OVERRIDE = "override"


Part = Callable[[int], Select[Any]]

_UNSAID: dict[str, ColumnElement[Any]] = {
    "email_id": cast(null(), BigInteger),
    "phone_call_id": cast(null(), BigInteger),
    "placement_request_id": cast(null(), BigInteger),
    "code": cast(null(), String(60)),
    "actor": cast(null(), String(100)),
    "scheduled_at": cast(null(), UtcDateTime),
    "next_date": cast(null(), Date),
    "last_at": cast(null(), UtcDateTime),
    "times": cast(null(), Integer),
    "text": cast(null(), Text),
}

_QUEUED = ("email.queue", "email.requeue", "email.resolve_queued")
_ENDED = ("email.cancel", "email.bounce", "email.resolve_canceled", "email.resolve_bounced")
_ATTEMPTS = {"defer": "deferred", "refuse": "failed", "lose": "in_doubt"}
_REASON = AuditEntry.details["reason"].as_string()


def entries(therapist_id: int, kinds: Collection[Kind]) -> list[Select[Any]]:
    """Queries for all that is known of these kinds."""
    return [
        part(therapist_id).add_columns(literal(kind.value).label("kind"), literal(rank).label("rank"))
        for rank, (kind, part) in enumerate(_PARTS)
        if kind in kinds
    ]


def _entry(event: Any, at: Any, id_: Any, **said: Any) -> Select[Any]:
    named = _UNSAID | said
    return select(
        at.label("at"),
        id_.label("id"),
        (literal(event) if isinstance(event, str) else event).label("event"),
        *(named[name].label(name) for name in _UNSAID),
    )


def _audited(subject: str, id_: Any, *actions: str) -> ColumnElement[bool]:
    """What persons (or this service in their place) did to a row."""
    return and_(AuditEntry.subject_type == subject, AuditEntry.subject_id == id_, AuditEntry.action.in_(actions))


def _created(therapist_id: int) -> Select[Any]:
    entry = _entry("created", Email.created_at, Email.id, email_id=Email.id, code=Email.template)
    return entry.where(Email.therapist_id == therapist_id)


def _queued(therapist_id: int) -> Select[Any]:
    """The last time it was queued."""
    entry = _entry("queued", Email.queued_at, Email.id, email_id=Email.id, actor=AuditEntry.actor)
    by = and_(_audited("email", Email.id, *_QUEUED), AuditEntry.at == Email.queued_at)
    entry = entry.outerjoin_from(Email, AuditEntry, by)
    return entry.where(Email.therapist_id == therapist_id, Email.queued_at.is_not(None))


def _queued_before(therapist_id: int) -> Select[Any]:
    entry = _entry("queued", AuditEntry.at, AuditEntry.id, email_id=Email.id, actor=AuditEntry.actor)
    entry = entry.join_from(Email, AuditEntry, _audited("email", Email.id, *_QUEUED))
    return entry.where(
        Email.therapist_id == therapist_id, or_(Email.queued_at.is_(None), AuditEntry.at != Email.queued_at)
    )


def _attempts(therapist_id: int) -> Select[Any]:
    event = case(_ATTEMPTS, value=DeliveryAttempt.outcome)
    code = func.coalesce(cast(DeliveryAttempt.code, String(60)), DeliveryAttempt.fault)
    entry = _entry(event, DeliveryAttempt.finished_at, DeliveryAttempt.id, email_id=Email.id, code=code)
    entry = entry.join_from(Email, DeliveryAttempt, DeliveryAttempt.email_id == Email.id)
    ended = DeliveryAttempt.finished_at.is_not(None), DeliveryAttempt.outcome.in_(_ATTEMPTS)
    return entry.where(Email.therapist_id == therapist_id, *ended)


def _sent(therapist_id: int) -> Select[Any]:
    entry = _entry("sent", Email.sent_at, Email.id, email_id=Email.id)
    return entry.where(Email.therapist_id == therapist_id, Email.sent_at.is_not(None))


def _email_ended(therapist_id: int) -> Select[Any]:
    """Canceled or bounced: by a person at its instant in the audit log, else when it last changed."""
    at = func.coalesce(AuditEntry.at, Email.updated_at)
    entry = _entry(
        Email.status,
        at,
        Email.id,
        email_id=Email.id,
        code=Email.status_reason,
        actor=AuditEntry.actor,
        text=cast(_REASON, Text),
    )
    entry = entry.outerjoin_from(Email, AuditEntry, _audited("email", Email.id, *_ENDED))
    ended = Email.status.in_([EmailStatus.CANCELED, EmailStatus.BOUNCED])
    return entry.where(Email.therapist_id == therapist_id, ended)


def _received(therapist_id: int) -> Select[Any]:
    at = func.coalesce(Email.response_date, Email.updated_at)
    entry = _entry("received", at, Email.id, email_id=Email.id, text=Email.response_content)
    return entry.where(Email.therapist_id == therapist_id, Email.response_received)


def _outcomes_by_email(therapist_id: int) -> Select[Any]:
    entry = _entry(
        EmailBatch.response_outcome,
        func.coalesce(EmailBatch.responded_at, Email.updated_at),
        EmailBatch.id,
        email_id=Email.id,
        placement_request_id=EmailBatch.placement_request_id,
        text=EmailBatch.response_notes,
    )
    entry = entry.join_from(Email, EmailBatch, EmailBatch.email_id == Email.id)
    return entry.where(Email.therapist_id == therapist_id, EmailBatch.response_outcome.is_not(None))


def _outcomes_by_call(therapist_id: int) -> Select[Any]:
    entry = _entry(
        PhoneCallBatch.outcome,
        func.coalesce(PhoneCall.actual_at, PhoneCall.updated_at),
        PhoneCallBatch.id,
        phone_call_id=PhoneCall.id,
        placement_request_id=PhoneCallBatch.placement_request_id,
        text=PhoneCallBatch.follow_up_notes,
    )
    entry = entry.join_from(PhoneCall, PhoneCallBatch, PhoneCallBatch.phone_call_id == PhoneCall.id)
    return entry.where(PhoneCall.therapist_id == therapist_id, PhoneCallBatch.outcome.is_not(None))


def _booked(therapist_id: int) -> Select[Any]:
    entry = _call("booked", PhoneCall.created_at, code=PhoneCall.kind)
    return entry.where(PhoneCall.therapist_id == therapist_id)


def _reached(therapist_id: int) -> Select[Any]:
    text = func.coalesce(PhoneCall.notes, PhoneCall.outcome)
    entry = _call("reached", func.coalesce(PhoneCall.actual_at, PhoneCall.updated_at), text=text)
    return entry.where(PhoneCall.therapist_id == therapist_id, PhoneCall.status == PhoneCallStatus.COMPLETED)


def _missed(therapist_id: int) -> Select[Any]:
    """Also what was noted as missed first and as reached later."""
    code = func.coalesce(cast(_REASON, String(60)), PhoneCall.status_reason)
    entry = _call("missed", func.coalesce(AuditEntry.at, PhoneCall.updated_at), code=code, actor=AuditEntry.actor)
    entry = entry.outerjoin_from(PhoneCall, AuditEntry, _audited("phone_call", PhoneCall.id, "call.miss"))
    missed = or_(PhoneCall.status == PhoneCallStatus.FAILED, AuditEntry.id.is_not(None))
    return entry.where(PhoneCall.therapist_id == therapist_id, missed)


def _call_canceled(therapist_id: int) -> Select[Any]:
    at = func.coalesce(AuditEntry.at, PhoneCall.updated_at)
    said = {"code": PhoneCall.status_reason, "actor": AuditEntry.actor, "text": cast(_REASON, Text)}
    entry = _call("canceled", at, **said)
    entry = entry.outerjoin_from(PhoneCall, AuditEntry, _audited("phone_call", PhoneCall.id, "call.cancel"))
    return entry.where(PhoneCall.therapist_id == therapist_id, PhoneCall.status == PhoneCallStatus.CANCELED)


def _call(event: str, at: Any, **said: Any) -> Select[Any]:
    return _entry(event, at, PhoneCall.id, phone_call_id=PhoneCall.id, scheduled_at=PhoneCall.starts_at, **said)


def _refused(therapist_id: int) -> Select[Any]:
    run = refusals(therapist_id)
    said = {"code": run.c.reason, "next_date": run.c.next_date, "last_at": run.c.last_at, "times": run.c.times}
    return _entry("refused", run.c.first_at, run.c.id, **said)


def _overridden_email(therapist_id: int) -> Select[Any]:
    at = func.coalesce(Email.queued_at, Email.created_at)
    entry = _entry("overridden", at, Email.id, email_id=Email.id, text=Email.override_reason)
    return entry.where(Email.therapist_id == therapist_id, Email.override_reason.is_not(None))


def _overridden_call(therapist_id: int) -> Select[Any]:
    entry = _call("overridden", PhoneCall.created_at, text=PhoneCall.override_reason)
    return entry.where(PhoneCall.therapist_id == therapist_id, PhoneCall.override_reason.is_not(None))


_PARTS: tuple[tuple[Kind, Part], ...] = (
    (Kind.REFUSAL, _refused),
    (Kind.EMAIL, _created),
    (Kind.OVERRIDE, _overridden_email),
    (Kind.EMAIL, _queued_before),
    (Kind.EMAIL, _queued),
    (Kind.EMAIL, _attempts),
    (Kind.EMAIL, _sent),
    (Kind.EMAIL, _email_ended),
    (Kind.ANSWER, _received),
    (Kind.ANSWER, _outcomes_by_email),
    (Kind.OVERRIDE, _overridden_call),
    (Kind.CALL, _booked),
    (Kind.CALL, _missed),
    (Kind.CALL, _reached),
    (Kind.ANSWER, _outcomes_by_call),
    (Kind.CALL, _call_canceled),
)
