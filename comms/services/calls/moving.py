"""A person moves a call that is booked: to another time, another length, or the next free slot after it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from comms.errors import MoveNotAllowed
from comms.rules.policy import CallPolicy
from comms.rules.slots import Slot
from comms.rules.states import PhoneCallStatus, verbs_from
from comms.services.calls.facts import Call, lock_call
from comms.services.calls.needs import load_therapist
from comms.services.calls.placing import Wanted, take_place
from comms.services.events import announce_call
from comms.store.models import PhoneCall
from comms.store.staff import audit


def reschedule_call(
    session: Session,
    call_id: int,
    now: datetime,
    policy: CallPolicy,
    *,
    actor: str,
    starts_at: datetime | None = None,
    minutes: int | None = None,
) -> Slot:
    """Move a scheduled call to `starts_at`, or to the next free slot after the one it has, and announce it again.

    The checks are those of a new call, its own cells apart. Raises SlotRefused, MoveNotAllowed, NotFound.
    """
    call = lock_call(session, call_id)
    if call.status != PhoneCallStatus.SCHEDULED:
        raise MoveNotAllowed(f"call {call_id}", call.status, "reschedule", verbs_from("call", call.status))
    need = load_therapist(session, call.therapist_id)
    assert need is not None  # a foreign key
    slot = take_place(session, call_id, need, _wanted(call, starts_at, minutes), now, policy)
    _write(session, call_id, slot, now)
    announce_call(session, "call_scheduled", call_id, now)
    audit(session, actor, "call.reschedule", "phone_call", call_id, now)
    return slot


def _wanted(call: Call, starts_at: datetime | None, minutes: int | None) -> Wanted:
    after = None if starts_at else call.starts_at + timedelta(minutes=call.duration_minutes)
    return Wanted(minutes or call.duration_minutes, starts_at, after, call.caller)


def _write(session: Session, call_id: int, slot: Slot, now: datetime) -> None:
    session.execute(
        update(PhoneCall)
        .where(PhoneCall.id == call_id)
        .values(
            caller=slot.caller,
            starts_at=slot.starts_at,
            duration_minutes=slot.minutes,
            version=PhoneCall.version + 1,
            updated_at=now,
        )
        .execution_options(synchronize_session=False)
    )
