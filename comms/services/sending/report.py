"""What a run of the sender did: counts and ids, nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock

from comms.rules.retry import Kind
from comms.services.sending.channel import Channel


class Ended(StrEnum):
    """Why a run was over."""

    DONE = "done"
    """Nothing was due any more, or the limit was reached."""
    STOPPED = "stopped"
    """The caller asked for it."""
    DATABASE = "database"
    """It failed for a moment: no mark could be committed. What was sent is written down."""
    PAUSED = "paused"
    RESTING = "resting"
    FUTURE = "future"
    """The instant it was given has not come; nothing was sent."""


@dataclass(frozen=True)
class SendingReport:
    """Counts of emails. `ids` has the ids behind every count, `by_kind` says why emails did not go out."""

    claimed: int = 0
    sent: int = 0
    deferred: int = 0
    failed: int = 0
    in_doubt: int = 0
    rescued: int = 0
    """Found without a living owner: back in the queue, or in doubt."""
    canceled: int = 0
    """Must not be written to any more; found at the claim."""
    refused_marks: int = 0
    """Withdrawn or lost to another sender between claim and hand-over."""
    by_kind: dict[str, int] = field(default_factory=dict)
    channel: Channel = Channel.WORKING
    ended: Ended = Ended.DONE
    ids: dict[str, list[int]] = field(default_factory=dict)


class Tally:
    """Collects what happened; several threads add to it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ids: dict[str, list[int]] = {}
        self._kinds: Counter[str] = Counter()

    def add(self, what: str, ids: Iterable[int]) -> None:
        """`what` names a count of SendingReport."""
        with self._lock:
            self._ids.setdefault(what, []).extend(ids)

    def add_kind(self, kind: Kind) -> None:
        with self._lock:
            self._kinds[kind.value] += 1

    def count(self, what: str) -> int:
        with self._lock:
            return len(self._ids.get(what, ()))

    def report(self, channel: Channel, ended: Ended) -> SendingReport:
        with self._lock:
            counts = {what: len(ids) for what, ids in self._ids.items()}
            ids = {what: sorted(ids) for what, ids in self._ids.items() if ids}
            return SendingReport(**counts, by_kind=dict(self._kinds), channel=channel, ended=ended, ids=ids)
