"""Which statuses of the platform are taken over. Pure: compares what is said with what is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from comms.rules.states import OPEN_REQUEST, RequestStatus
from comms.services.intake.fields import Columns
from comms.services.intake.merging import changed_side
from comms.services.intake.rows import Row

BY_PLATFORM = {
    RequestStatus.WITHDRAWN: "withdrawn_by_platform",
    RequestStatus.REJECTED: "rejected_by_platform",
    RequestStatus.ACCEPTED: "accepted_by_platform",
}
"""The reasons of statuses that came from the platform; only these does the platform take back."""


@dataclass(frozen=True)
class Moves:
    """Ids of requests whose status changes."""

    close: dict[RequestStatus, list[int]]
    reopen: list[int]

    @property
    def ids(self) -> set[int]:
        return {*self.reopen, *(id_ for ids in self.close.values() for id_ in ids)}


def plan_moves(rows: Iterable[Row], before: dict[int, Columns]) -> Moves:
    """Sort requests that are known by what their new status asks for; `in_progress` asks for nothing."""
    moves = Moves(defaultdict(list), [])
    for row in rows:
        told, known = row.given.get("status"), before.get(row.id)
        if told is None or known is None or changed_side(row.given, known):
            continue
        if told in BY_PLATFORM and may_close(known, told):
            moves.close[RequestStatus(told)].append(row.id)
        elif told == RequestStatus.OPEN and known["status_reason"] in BY_PLATFORM.values():
            moves.reopen.append(row.id)
    return moves


def may_close(known: Columns, told: str) -> bool:
    """What is open closes; what the platform closed takes its newer word; what ended here stays as it ended."""
    if known["status"] in OPEN_REQUEST:
        return True
    return known["status"] != told and known["status_reason"] in BY_PLATFORM.values()
