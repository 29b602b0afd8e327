"""From the topics to the inbox, and one run for the lot: store, commit the offsets, launch.

A process that dies between any two of these does them again: what is stored is known, and what waits is launched by
whoever looks next.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from comms.errors import Temporary
from comms.ports import BrokerAway, EventSource
from comms.services.heartbeats import FAILING, KAFKA, OK, beat
from comms.services.inbox.order import is_due, is_lost
from comms.services.inbox.receiving import Received, receive
from comms.store.engines import clock
from comms.store.models import InboxEvent
from comms.store.session import Sessions, reading, writing

GATHER = 2.0
"""Seconds between two launches: a burst makes few runs."""

SWEEP = 30.0
"""Seconds after which what still waits is launched once more."""

BEAT = 10.0

Launch = Callable[[str], None]
"""Launches one run under a key; the same key twice is one run. Raises Temporary where nobody takes it."""


@dataclass(frozen=True)
class Turn:
    """What one turn did; `fault` is the broker's or the launching's."""

    received: Received = field(default_factory=lambda: Received(0, 0, 0, 0, 0))
    launched: bool = False
    fault: str | None = None


class Launcher:
    """One process's launcher. A turn does what can be done now; who is away is an answer, not an error."""

    def __init__(self, sessions: Sessions, source: EventSource, launch: Launch | None) -> None:
        """Without `launch` what comes in waits for whoever handles it."""
        self._sessions, self._source, self._launch = sessions, source, launch
        self._launched_id, self._launched_at = 0, float("-inf")
        self._beat_at = 0.0

    def turn(self, seconds: float) -> Turn:
        """Wait for messages at most so long, keep them, and launch a run where something waits."""
        try:
            received = self._take_in(seconds)
        except BrokerAway as away:
            self._tell(FAILING, away.fault)
            self._beat_at = 0.0  # its return is told at once
            return Turn(launched=self._launch_what_waits()[0], fault=away.fault)
        launched, fault = self._launch_what_waits()
        return Turn(received, launched, fault)

    def close(self) -> None:
        self._source.close()

    def _take_in(self, seconds: float) -> Received:
        messages = self._source.poll(seconds)
        if not messages:
            self._look_after_broker(ask=True)
            return Received(0, 0, 0, 0, 0)
        try:
            with writing(self._sessions) as session:
                received = receive(session, messages, clock(session))
        except BaseException:
            self._source.close()  # it has read on: opened anew it begins where the last commit stands
            raise
        self._source.commit()
        self._look_after_broker(ask=False)
        return received

    def _look_after_broker(self, *, ask: bool) -> None:
        """Tell now and then that it is there; where it brought nothing, ask."""
        if time.monotonic() >= self._beat_at:
            if ask:
                self._source.behind()
            self._tell(OK, None)
            self._beat_at = time.monotonic() + BEAT

    def _tell(self, state: str, code: str | None) -> None:
        with writing(self._sessions) as session:
            beat(session, KAFKA, state, code, clock(session))

    def _launch_what_waits(self) -> tuple[bool, str | None]:
        since = time.monotonic() - self._launched_at
        if self._launch is None or since < GATHER:
            return False, None
        with reading(self._sessions) as session:
            newest = newest_waiting(session, clock(session))
        if newest is None or (newest <= self._launched_id and since < SWEEP):
            return False, None
        try:
            self._launch(f"inbox-{newest}-{time.time_ns() // 10**9 // int(SWEEP)}")
        except Temporary as away:
            self._launched_at = time.monotonic()
            return False, away.code
        self._launched_id, self._launched_at = newest, time.monotonic()
        return True, None


def newest_waiting(session: Session, now: datetime) -> int | None:
    """The id of the newest stored event that a run could handle now; None where a run would find nothing to do."""
    return session.scalar(select(func.max(InboxEvent.id)).where(*_is_for_a_run(now)))


def waiting_since(session: Session, now: datetime) -> datetime | None:
    """When the oldest event came that a run could handle now."""
    return session.scalar(select(func.min(InboxEvent.received_at)).where(*_is_for_a_run(now)))


def _is_for_a_run(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return InboxEvent.handled_at.is_(None), or_(is_due(now), is_lost(now))
