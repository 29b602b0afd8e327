"""Nobody has two calls at a time, and no email is followed up twice."""

from __future__ import annotations

from sqlalchemy import ColumnElement, String, cast, extract, func, literal, or_, select, text
from sqlalchemy.orm import aliased

from comms.services.checking.invariant import Invariant
from comms.store.models import CallCell, PhoneCall

CELL_SECONDS = 300


def _begin(call: type[PhoneCall]) -> ColumnElement[int]:
    return extract("epoch", call.starts_at)


def _end(call: type[PhoneCall]) -> ColumnElement[int]:
    return _begin(call) + 60 * call.duration_minutes


_one, _other = aliased(PhoneCall), aliased(PhoneCall)
_OVERLAP = (
    select(literal("call:") + cast(_one.id, String))
    .join(_other, or_(_other.caller == _one.caller, _other.therapist_id == _one.therapist_id))
    .where(
        _one.id != _other.id,
        _one.status == "scheduled",
        _other.status == "scheduled",
        _begin(_one) < _end(_other),
        _begin(_other) < _end(_one),
    )
)

_its_cells = (
    select(func.count())
    .select_from(CallCell)
    .where(
        CallCell.phone_call_id == PhoneCall.id,
        CallCell.caller == PhoneCall.caller,
        CallCell.therapist_id == PhoneCall.therapist_id,
        CELL_SECONDS * CallCell.cell >= _begin(PhoneCall),
        CELL_SECONDS * CallCell.cell < _end(PhoneCall),
    )
    .scalar_subquery()
)
_all_cells = select(func.count()).where(CallCell.phone_call_id == PhoneCall.id).scalar_subquery()
_wanted = 60 * PhoneCall.duration_minutes // CELL_SECONDS
_WRONG_CELLS = select(literal("call:") + cast(PhoneCall.id, String)).where(
    or_(
        (PhoneCall.status == "scheduled") & ((_its_cells != _wanted) | (_all_cells != _wanted)),
        PhoneCall.status.in_(["failed", "canceled"]) & (_all_cells != 0),
    )
)

_TWO_AHEAD = text("""
    SELECT 'call:' || id FROM phone_calls WHERE status = 'scheduled' AND kind IN ('follow_up', 'first')
    AND therapist_id IN (SELECT therapist_id FROM phone_calls
                         WHERE status = 'scheduled' AND kind IN ('follow_up', 'first')
                         GROUP BY therapist_id HAVING count(*) > 1)""")

_FOLLOWED_UP_TWICE = text("""
    SELECT 'email:' || f.email_id FROM phone_call_emails f JOIN phone_calls c ON c.id = f.phone_call_id
    WHERE c.retry_of_id IS NULL AND NOT (c.status = 'canceled' AND c.status_reason = 'answered')
    GROUP BY f.email_id HAVING count(*) > 1""")

INVARIANTS = (
    Invariant("calls_overlap", "a caller and a therapist have one call at a time", _OVERLAP),
    Invariant("call_with_wrong_cells", "a booked call has all of its cells, one that is off has none", _WRONG_CELLS),
    Invariant("two_calls_ahead", "a therapist has one follow-up or first call ahead", _TWO_AHEAD),
    Invariant("followed_up_twice", "an email is followed up once", _FOLLOWED_UP_TWICE),
)
