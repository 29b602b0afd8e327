"""What a person corrects in a call without moving it to another status: its words, its time, its next try."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict
from comms.rules.policy import CallPolicy
from comms.rules.states import PhoneCallStatus
from comms.services.calls.answers import start_cooling
from comms.services.calls.facts import Call
from comms.services.calls.scheduling import book_now
from comms.store.contacts import call_holder, happened
from comms.store.models import PhoneCall

ENDED = (PhoneCallStatus.COMPLETED, PhoneCallStatus.FAILED)


def write_words(session: Session, call_id: int, words: Mapping[str, str | None], now: datetime) -> bool:
    """Write what a person says (outcome, notes), null clears; False where it stood there already."""
    different = [getattr(PhoneCall, name).is_distinct_from(text) for name, text in words.items()]
    return bool(different) and _write(session, call_id, now, words, or_(*different))


def correct_time(session: Session, call: Call, at: datetime, now: datetime, zone: ZoneInfo) -> None:
    """Correct when it really was; with a call that reached somebody the contact and the rests move too."""
    if call.status not in ENDED:
        raise Conflict(f"call {call.id} is {call.status}: a time belongs to a call that was made")
    _write(session, call.id, now, {"actual_at": at})
    if call.status == PhoneCallStatus.COMPLETED:
        happened(session, {call_holder(call.id): at})
        start_cooling(session, call, now, zone)


def postpone_retry(session: Session, call: Call, earliest: datetime, now: datetime, policy: CallPolicy) -> None:
    """Say from when on a missed call may be tried again, and book the try where there is a slot already."""
    if call.status != PhoneCallStatus.FAILED or call.retry_after is None:
        raise Conflict(f"call {call.id} has no next try")
    retry = session.scalar(select(PhoneCall.id).where(PhoneCall.retry_of_id == call.id))
    if retry is not None:
        raise Conflict(f"the next try of call {call.id} is call {retry}: move that one")
    _write(session, call.id, now, {"retry_after": earliest})
    book_now(session, call.therapist_id, now, policy)


def refuse_null(given: Mapping[str, Any], name: str, present: object) -> None:
    """BadInput where a null would take away what the call has."""
    if name in given and given[name] is None and present is not None:
        raise BadInput("cannot be taken away, only changed", where=f"body.{name}")


def _write(
    session: Session, call_id: int, now: datetime, values: Mapping[str, Any], *conditions: ColumnElement[bool]
) -> bool:
    change = update(PhoneCall).where(PhoneCall.id == call_id, *conditions)
    change = change.values(**values, version=PhoneCall.version + 1, updated_at=now).returning(PhoneCall.id)
    return session.scalar(change.execution_options(synchronize_session=False)) is not None
