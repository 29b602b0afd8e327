"""The cells of booked calls: what is taken, and taking some."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from comms.rules.horizon import Horizon, Windows, cells_of, make_horizon
from comms.rules.policy import CallPolicy
from comms.rules.slots import Callers, Slot, SlotReason, Wish, find_slot, make_callers
from comms.services.calls.holidays import holidays_ahead
from comms.store.engines import insert_for
from comms.store.models import CallCell


@dataclass
class Diary:
    """The days ahead with everybody's calls in it; slots found through it are taken in it."""

    horizon: Horizon
    callers: Callers
    default_land: str | None
    of_therapist: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def find(
        self, therapist_id: int, windows: Windows, land: str | None, not_before: datetime | None = None
    ) -> Slot | SlotReason:
        return find_slot(self.horizon, self.wish(therapist_id, windows, land, not_before), self.callers)

    def wish(self, therapist_id: int, windows: Windows, land: str | None, not_before: datetime | None = None) -> Wish:
        taken = frozenset(self.of_therapist.get(therapist_id, ()))
        return Wish(windows, self._holidays(land), taken, not_before)

    def take(self, therapist_id: int, slot: Slot) -> None:
        self.callers.take(slot.caller, slot.cells)
        self.of_therapist[therapist_id].update(slot.cells)

    def _holidays(self, land: str | None) -> frozenset[date]:
        return holidays_ahead(land, self.default_land, self.horizon)


def open_diary(session: Session, now: datetime, policy: CallPolicy) -> Diary:
    """Load what is taken in the days ahead, in one query."""
    horizon = make_horizon(now, policy)
    query = select(CallCell.caller, CallCell.therapist_id, CallCell.cell).where(
        CallCell.cell >= horizon.first, CallCell.cell < horizon.last + policy.minutes // 5
    )
    rows = session.execute(query).all()
    callers = make_callers(horizon, policy, ((caller, cell) for caller, _, cell in rows))
    diary = Diary(horizon, callers, policy.default_land)
    for _, therapist_id, cell in rows:
        diary.of_therapist[therapist_id].add(cell)
    return diary


def is_slot_booked(
    session: Session,
    starts_at: datetime,
    minutes: int,
    *,
    caller: int | None = None,
    therapist_id: int | None = None,
) -> bool:
    """Tell whether the caller or the therapist has a call in this time; with neither named, whether anybody has."""
    cells = cells_of(starts_at, minutes)
    query = select(CallCell.cell).where(CallCell.cell.in_(cells)).limit(1)
    whose = []
    if caller is not None:
        whose.append(CallCell.caller == caller)
    if therapist_id is not None:
        whose.append(CallCell.therapist_id == therapist_id)
    return session.scalar(query.where(or_(*whose)) if whose else query) is not None


def take_cells(session: Session, slots: Mapping[int, tuple[int, Slot]]) -> set[int]:
    """Insert the cells of calls, {call id: (therapist id, slot)}; return the calls that got all of theirs.

    One statement in one order for all bookers: who comes second waits, and finds the cell taken. What a loser got
    is given back.
    """
    rows = [
        {"phone_call_id": call_id, "cell": cell, "caller": slot.caller, "therapist_id": therapist_id}
        for call_id, (therapist_id, slot) in slots.items()
        for cell in slot.cells
    ]
    if not rows:
        return set()
    rows.sort(key=lambda row: (row["caller"], row["cell"]))
    insert = insert_for(session)(CallCell).on_conflict_do_nothing().returning(CallCell.phone_call_id)
    got = Counter(session.scalars(insert, rows))
    won = {call_id for call_id, (_, slot) in slots.items() if got[call_id] == len(slot.cells)}
    give_cells_back(session, slots.keys() - won)
    return won


def give_cells_back(session: Session, call_ids: Collection[int]) -> None:
    if call_ids:
        session.execute(delete(CallCell).where(CallCell.phone_call_id.in_(sorted(call_ids))))
