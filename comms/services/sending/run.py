"""One run of the sender: claim, send, record, until nothing is due or something says stop."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import datetime, timedelta

from comms.errors import Temporary
from comms.ports import EmailSender
from comms.rules.policy import SendingPolicy
from comms.services.sending.breaker import Breaker
from comms.services.sending.channel import Channel, channel_state
from comms.services.sending.claim import Claims, claim_due_emails
from comms.services.sending.dispatch import Dispatch
from comms.services.sending.group_commit import GroupCommit
from comms.services.sending.records import Records
from comms.services.sending.report import Ended, SendingReport, Tally
from comms.services.sending.rescue import rescue_lost_emails
from comms.services.sending.values import Claimed, RenewLeases, Result, Told
from comms.services.sending.worker import NOT_STARTED, Workplace, work
from comms.store.engines import clock
from comms.store.session import Sessions, reading, writing

FUTURE_TOLERANCE = timedelta(minutes=1)
"""How far two clocks may differ before an instant counts as future."""
TICK = 0.05
LOOK_EVERY = 1.0
"""Seconds between two looks at the kill switch while letters are under way."""

_CLOSED = {Channel.PAUSED: Ended.PAUSED, Channel.RESTING: Ended.RESTING}


def send_queued_emails(
    sessions: Sessions,
    sender: EmailSender,
    policy: SendingPolicy,
    now: datetime,
    *,
    limit: int,
    refresh: Callable[[], object] | None = None,
    stop: threading.Event | None = None,
) -> SendingReport:
    """Send up to `limit` emails that are due by `now`, oldest first; several processes may do so at once.

    Leases, marks and times of sending follow the database's clock; a `now` that has not come sends nothing. `refresh`
    is called before every claim, to render stale emails again. `stop` lets what is under way finish and returns the
    rest. What the database raises is raised, but only after the results of what was handed over were tried again.
    """
    with reading(sessions) as session:
        at = clock(session)
        channel = channel_state(session, at)
    if now > at + FUTURE_TOLERANCE:
        return SendingReport(channel=channel, ended=Ended.FUTURE)
    return _Run(sessions, sender, policy, min(now, at), limit, refresh, stop or threading.Event()).go()


class _Run:
    def __init__(
        self,
        sessions: Sessions,
        sender: EmailSender,
        policy: SendingPolicy,
        due_by: datetime,
        limit: int,
        refresh: Callable[[], object] | None,
        stop: threading.Event,
    ) -> None:
        self._sessions, self._policy, self._due_by, self._refresh, self._stop = sessions, policy, due_by, refresh, stop
        self._owner = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._left = limit
        self._tally = Tally()
        self._dispatch = Dispatch(policy.connections, stop)
        records = Records(sessions, self._owner, policy, self._tally)
        self._writer: GroupCommit[Claimed, Told] = GroupCommit(records.write, records.finish)
        self._place = Workplace(sender, policy, self._dispatch, self._writer, Breaker())
        self._next: dict[str, float] = {}

    def go(self) -> SendingReport:
        lines: list[Future[None]] = []
        try:
            with ThreadPoolExecutor(self._policy.connections, thread_name_prefix="smtp") as pool:
                try:
                    self._rescue()
                    lines = [self._open_line(pool) for _ in range(self._policy.connections)]
                    self._feed(lines)
                finally:
                    self._return(self._dispatch.close())
                    self._see_off(lines)
        finally:
            self._close_writer(lines)
        return self._report()

    def _open_line(self, pool: ThreadPoolExecutor) -> Future[None]:
        return pool.submit(copy_context().run, work, self._place)

    def _feed(self, lines: list[Future[None]]) -> None:
        """Claim ahead of the connections; once the queue was empty, look again only when all is settled."""
        empty = False
        while not self._over(lines):
            settled = self._is_settled()
            found = 0
            if settled or (self._dispatch.waiting < self._policy.connections and not empty):
                asked = min(self._policy.chunk, self._left)
                found = self._claim(asked)
                empty = found < asked
            if settled and not found:
                return
            if not found:
                self._dispatch.wait(TICK)
            self._keep_up()

    def _is_settled(self) -> bool:
        """Nothing is under way and every result is written: what came back may be claimed again."""
        if not self._dispatch.idle:
            return False
        if self._writer.idle:
            return True
        self._writer.nudge()
        return False

    def _over(self, lines: list[Future[None]]) -> bool:
        if self._stop.is_set():
            self._dispatch.halt(Ended.STOPPED)
        return self._dispatch.halted is not None or all(line.done() for line in lines)

    def _claim(self, limit: int) -> int:
        """Return how many emails were looked at: 0 means that nothing is due."""
        if limit <= 0 or not self._is_open():
            return 0
        if self._refresh:
            self._refresh()
        claims = self._claim_chunk(limit)
        self._left -= len(claims.letters)
        self._tally.add("claimed", [claimed.email_id for claimed in claims.letters])
        self._tally.add("canceled", claims.canceled)
        self._dispatch.put(claims.letters)
        return claims.looked_at

    def _claim_chunk(self, limit: int) -> Claims:
        with writing(self._sessions) as session:
            at = clock(session)
            return claim_due_emails(session, self._owner, at, self._due_by, self._policy.lease, limit)

    def _is_open(self) -> bool:
        """Look at the kill switch and at the breaker of all processes."""
        with reading(self._sessions) as session:
            state = channel_state(session, clock(session))
        if state in _CLOSED:
            self._dispatch.halt(_CLOSED[state])
        return state is Channel.WORKING

    def _keep_up(self) -> None:
        """What must happen while letters are under way."""
        if self._is_time("renew", self._policy.lease.total_seconds() / 3):
            self._writer.tell(RenewLeases())
        if self._is_time("rescue", self._policy.rescue_every.total_seconds()):
            self._rescue()
        if self._is_time("look", LOOK_EVERY):
            self._is_open()

    def _see_off(self, lines: list[Future[None]]) -> None:
        """Hold the leases of what is still under way until it is through."""
        while wait(lines, TICK).not_done:
            if self._is_time("renew", self._policy.lease.total_seconds() / 3):
                self._writer.tell(RenewLeases())

    def _is_time(self, what: str, seconds: float) -> bool:
        """True once every `seconds`; the first time a whole period after the start."""
        now = time.monotonic()
        due = self._next.setdefault(what, now + seconds)
        if now < due:
            return False
        self._next[what] = now + seconds
        return True

    def _rescue(self) -> None:
        with writing(self._sessions) as session:
            rescued = rescue_lost_emails(session, clock(session), self._policy)
        self._tally.add("rescued", rescued.all)

    def _return(self, letters: list[Claimed]) -> None:
        for claimed in letters:
            self._writer.tell(Result(claimed, NOT_STARTED))

    def _close_writer(self, lines: list[Future[None]]) -> None:
        """Everything is written, or it is said what is not; an error of the database is never swallowed."""
        for claimed in self._dispatch.close():
            self._writer.tell(Result(claimed, NOT_STARTED))
        unwritten = self._writer.close(self._policy.lease.total_seconds())
        if unwritten:
            raise Temporary(f"{len(unwritten)} results could not be written") from self._writer.error
        for line in lines:
            line.result()

    def _report(self) -> SendingReport:
        with reading(self._sessions) as session:
            channel = channel_state(session, clock(session))
        return self._tally.report(channel, self._dispatch.halted or Ended.DONE)
