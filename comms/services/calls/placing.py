"""Where one call stands: the slot that was asked for or the next free one, and taking its cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from comms.errors import SlotRefused
from comms.rules.policy import CallPolicy
from comms.rules.slots import Slot, SlotReason, Wish, check_slot, find_slot
from comms.services.calls.cells import Diary, give_cells_back, open_diary, take_cells
from comms.services.calls.needs import CallNeed
from comms.services.calls.scheduling import RACES

WHY = {
    SlotReason.OFF_GRID: "calls begin on a grid of five minutes",
    SlotReason.IN_THE_PAST: "this time is past",
    SlotReason.TOO_SOON: "this is too soon: a call needs some lead time",
    SlotReason.OUTSIDE_LOOK_AHEAD: "calls are not booked that far ahead",
    SlotReason.NO_PHONE_HOURS: "the therapist has no phone hours",
    SlotReason.OUTSIDE_PHONE_HOURS: "this is outside the therapist's phone hours",
    SlotReason.OUTSIDE_CALLER_HOURS: "this is outside the callers' hours",
    SlotReason.ONLY_HOLIDAYS: "all phone hours ahead fall on public holidays",
    SlotReason.HOLIDAY: "this day is a public holiday",
    SlotReason.THERAPIST_BUSY: "the therapist has a call then",
    SlotReason.CALLERS_BUSY: "every caller has a call then",
}


@dataclass(frozen=True)
class Wanted:
    """At `starts_at`, else in the next free slot that is not before `not_before`; with `caller` if he is free."""

    minutes: int
    starts_at: datetime | None = None
    not_before: datetime | None = None
    caller: int | None = None


def find_place(session: Session, need: CallNeed, wanted: Wanted, now: datetime, policy: CallPolicy) -> Slot:
    """Find where the call can stand; SlotRefused says why it cannot."""
    diary = open_diary(session, now, replace(policy, minutes=wanted.minutes))
    wish = diary.wish(need.therapist_id, need.windows, need.land, wanted.not_before)
    if wanted.starts_at is None:
        found = find_slot(diary.horizon, wish, diary.callers)
    else:
        found = _check(diary, wish, wanted.starts_at, wanted.caller)
    if isinstance(found, SlotReason):
        raise SlotRefused(found.value, WHY[found])
    return found


def _check(diary: Diary, wish: Wish, starts_at: datetime, caller: int | None) -> Slot | SlotReason:
    found = check_slot(diary.horizon, wish, diary.callers, starts_at, caller)
    if found is SlotReason.CALLERS_BUSY and caller is not None:
        return check_slot(diary.horizon, wish, diary.callers, starts_at)
    return found


def take_place(
    session: Session, call_id: int, need: CallNeed, wanted: Wanted, now: datetime, policy: CallPolicy
) -> Slot:
    """Take the cells of a call, whatever races it loses; the cells it had are free from then on."""
    give_cells_back(session, [call_id])
    for _ in range(RACES):
        slot = find_place(session, need, wanted, now, policy)
        if take_cells(session, {call_id: (need.therapist_id, slot)}):
            return slot
    raise SlotRefused(SlotReason.CALLERS_BUSY.value, WHY[SlotReason.CALLERS_BUSY])
