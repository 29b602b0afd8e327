"""What happened with calls, and what was answered in them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, String, Text, cast, func, or_

from comms.rules.states import PhoneCallStatus
from comms.services.timeline.columns import REASON, audited, entry
from comms.store.models import AuditEntry, PhoneCall, PhoneCallBatch


def booked(therapist_id: int) -> Select[Any]:
    found = _call("booked", PhoneCall.created_at, code=PhoneCall.kind, actor=AuditEntry.actor)
    found = found.outerjoin_from(PhoneCall, AuditEntry, audited("phone_call", PhoneCall.id, "call.book"))
    return found.where(PhoneCall.therapist_id == therapist_id)


def rescheduled(therapist_id: int) -> Select[Any]:
    said = {"phone_call_id": PhoneCall.id, "scheduled_at": PhoneCall.starts_at, "actor": AuditEntry.actor}
    found = entry("rescheduled", AuditEntry.at, AuditEntry.id, **said)
    found = found.join_from(PhoneCall, AuditEntry, audited("phone_call", PhoneCall.id, "call.reschedule"))
    return found.where(PhoneCall.therapist_id == therapist_id)


def missed(therapist_id: int) -> Select[Any]:
    """Also what was noted as missed first and as reached later."""
    code = func.coalesce(cast(REASON, String(60)), PhoneCall.status_reason)
    found = _call("missed", func.coalesce(AuditEntry.at, PhoneCall.updated_at), code=code, actor=AuditEntry.actor)
    found = found.outerjoin_from(PhoneCall, AuditEntry, audited("phone_call", PhoneCall.id, "call.miss"))
    missed = or_(PhoneCall.status == PhoneCallStatus.FAILED, AuditEntry.id.is_not(None))
    return found.where(PhoneCall.therapist_id == therapist_id, missed)


def reached(therapist_id: int) -> Select[Any]:
    text = func.coalesce(PhoneCall.notes, PhoneCall.outcome)
    found = _call("reached", func.coalesce(PhoneCall.actual_at, PhoneCall.updated_at), text=text)
    return found.where(PhoneCall.therapist_id == therapist_id, PhoneCall.status == PhoneCallStatus.COMPLETED)


def canceled(therapist_id: int) -> Select[Any]:
    at = func.coalesce(AuditEntry.at, PhoneCall.updated_at)
    said = {"code": PhoneCall.status_reason, "actor": AuditEntry.actor, "text": cast(REASON, Text)}
    found = _call("canceled", at, **said)
    found = found.outerjoin_from(PhoneCall, AuditEntry, audited("phone_call", PhoneCall.id, "call.cancel"))
    return found.where(PhoneCall.therapist_id == therapist_id, PhoneCall.status == PhoneCallStatus.CANCELED)


def outcomes(therapist_id: int) -> Select[Any]:
    found = entry(
        PhoneCallBatch.outcome,
        func.coalesce(PhoneCall.actual_at, PhoneCall.updated_at),
        PhoneCallBatch.id,
        phone_call_id=PhoneCall.id,
        placement_request_id=PhoneCallBatch.placement_request_id,
        text=PhoneCallBatch.follow_up_notes,
    )
    found = found.join_from(PhoneCall, PhoneCallBatch, PhoneCallBatch.phone_call_id == PhoneCall.id)
    return found.where(PhoneCall.therapist_id == therapist_id, PhoneCallBatch.outcome.is_not(None))


def overridden(therapist_id: int) -> Select[Any]:
    found = _call("overridden", PhoneCall.created_at, text=PhoneCall.override_reason)
    return found.where(PhoneCall.therapist_id == therapist_id, PhoneCall.override_reason.is_not(None))


def _call(event: str, at: Any, **said: Any) -> Select[Any]:
    return entry(event, at, PhoneCall.id, phone_call_id=PhoneCall.id, scheduled_at=PhoneCall.starts_at, **said)
