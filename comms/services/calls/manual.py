"""A person books a call: at a time, or in the next free slot; about placement requests, or about nothing written down.

Locked in the order of `services.calls.booking`: emails, calls, contact keys, cells, requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from comms.errors import BadInput, ContactRefused
from comms.rules.contact import Reason
from comms.rules.policy import CallPolicy
from comms.rules.slots import Slot
from comms.rules.states import CallKind, PhoneCallStatus
from comms.services.calls.contact import check_contact, take_contact
from comms.services.calls.linking import link
from comms.services.calls.needs import CallNeed, load_therapist
from comms.services.calls.placing import Wanted, find_place, take_place
from comms.services.calls.subjects import About, require_linked, take_up
from comms.services.events import announce_call
from comms.store.models import PhoneCall
from comms.store.staff import audit


@dataclass(frozen=True)
class NewCall:
    """What a person says about a call; `override_reason` breaks a rest or the rule of the window."""

    therapist_id: int
    wanted: Wanted
    request_ids: tuple[int, ...] = ()
    notes: str | None = None
    override_reason: str | None = None


def book_call(session: Session, new: NewCall, now: datetime, policy: CallPolicy, *, actor: str) -> int:
    """Book a call with its contact, its cells, its requests and its event, or nothing of it; return its id.

    Raises ContactRefused, SlotRefused, and Conflict where a request cannot be spoken of in it.
    """
    _check_override(new.override_reason)
    need = _therapist(session, new.therapist_id)
    about = take_up(session, new.therapist_id, new.request_ids, now)
    override = new.override_reason is not None
    check_contact(need.facts, now, policy, reply=about.is_reply, override=override)
    slot = find_place(session, need, new.wanted, now, policy)
    call_id = _insert(session, new, about, slot, now)
    take_contact(session, call_id, need.therapist_id, now, policy, reply=about.is_reply, override=override)
    _sit(session, call_id, slot, take_place(session, call_id, need, new.wanted, now, policy))
    _link(session, call_id, need, about, now)
    announce_call(session, "call_scheduled", call_id, now)
    audit(session, actor, "call.book", "phone_call", call_id, now, override=new.override_reason)
    return call_id


def _check_override(reason: str | None) -> None:
    if reason is not None and not reason.strip():
        raise BadInput("breaking the contact rule needs a reason", where="body.override.reason")


def _therapist(session: Session, therapist_id: int) -> CallNeed:
    """Nobody can be called of whom nothing is known: that has the reason a stub would have."""
    need = load_therapist(session, therapist_id)
    if need is None:
        raise ContactRefused(Reason.FACTS_MISSING.value)
    return need


def _insert(session: Session, new: NewCall, about: About, slot: Slot, now: datetime) -> int:
    row = {
        "therapist_id": new.therapist_id,
        "caller": slot.caller,
        "starts_at": slot.starts_at,
        "duration_minutes": slot.minutes,
        "kind": CallKind.REPLY if about.is_reply else CallKind.MANUAL,
        "status": PhoneCallStatus.SCHEDULED,
        "notes": new.notes,
        "override_reason": new.override_reason,
        "created_at": now,
        "updated_at": now,
    }
    return session.execute(insert(PhoneCall).returning(PhoneCall.id), [row]).scalar_one()


def _sit(session: Session, call_id: int, thought: Slot, slot: Slot) -> None:
    """Somebody else may have been faster."""
    if slot != thought:
        change = update(PhoneCall).where(PhoneCall.id == call_id)
        session.execute(change.values(caller=slot.caller, starts_at=slot.starts_at))


def _link(session: Session, call_id: int, need: CallNeed, about: About, now: datetime) -> None:
    link(session, {call_id: replace(need, places=about.places, email_ids=about.email_ids)}, now)
    require_linked(session, call_id, about)
