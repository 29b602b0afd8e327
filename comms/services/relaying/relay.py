"""The relay: takes the role, finds out what its predecessor had written, publishes wave after wave.

A wave is the head of every key. Between a wave's acknowledgement and its mark a process may die: whoever takes over
first reads what stands on the topic behind the last mark, and marks it, instead of writing it again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta

from comms.ports import BrokerAway, EventPublisher, Publication
from comms.services.heartbeats import FAILING, KAFKA, OK, beat
from comms.services.relaying import heads
from comms.services.relaying.envelope import ids_in
from comms.store import leases
from comms.store.engines import clock
from comms.store.session import Sessions, reading, writing

ROLE = "relay"
LEASE = timedelta(seconds=12)
"""Longer than one wave may take, so that nobody takes over while the broker still works on one."""

RENEW = 1.0
"""Seconds between two renewals of the lease."""

SETTLE = 1.0
"""Seconds that a broker which did not answer gets to finish what it was given, before the topic is read."""

WAVE = 2_000
QUIET = 10.0
"""Seconds after which an idle relay asks whether the broker is there."""


@dataclass(frozen=True)
class Round:
    """What one round did; `standing` is active, standby (another has the role) or away (the broker)."""

    standing: str
    published: int = 0
    refused: int = 0
    recovered: int = 0
    """Events that stood on the topic although nobody had marked them."""
    fault: str | None = None

    @property
    def idle(self) -> bool:
        return self.standing == "active" and not (self.published or self.refused or self.recovered)


class Relay:
    """One process's relay; a round does what can be done now, and a broker that is away is an answer."""

    def __init__(
        self, sessions: Sessions, publisher: EventPublisher, topic: str, owner: str, lease: timedelta = LEASE
    ) -> None:
        self._sessions, self._publisher, self._topic, self._owner = sessions, publisher, topic, owner
        self._lease = lease
        self._renew_at = self._check_at = 0.0
        self._surveyed = self._interrupted = False
        """Whether all that stands on the topic is marked; whether a broker may still work on what we gave it."""

    def round(self, wave: int = WAVE) -> Round:
        """Publish one wave, if the role is ours."""
        if not self._hold():
            self._surveyed = False
            return Round("standby")
        try:
            return self._publish(wave, self._survey())
        except BrokerAway as away:
            return self._away(away.fault)

    def close(self) -> None:
        """Give the role to whoever waits for it."""
        self._publisher.close()
        with writing(self._sessions) as session:
            leases.give_up(session, ROLE, self._owner)

    def _hold(self) -> bool:
        """Renew well before the lease ends; between renewals nothing is asked."""
        if time.monotonic() < self._renew_at:
            return True
        asked = time.monotonic()
        with writing(self._sessions) as session:
            ours = leases.hold(session, ROLE, self._owner, clock(session), self._lease)
        self._renew_at = asked + RENEW if ours else 0.0
        return ours

    def _survey(self) -> int:
        """Mark what stands on the topic and is not marked; return how many."""
        if self._surveyed:
            return 0
        recovered = self._read_topic()
        if self._interrupted:
            time.sleep(SETTLE)
            recovered += self._read_topic()
        self._surveyed, self._interrupted, self._renew_at = True, False, 0.0
        return recovered

    def _read_topic(self) -> int:
        with reading(self._sessions) as session:
            known = heads.known_ends(session, self._topic)
        found, ends = self._publisher.read_since(known)
        with writing(self._sessions) as session:
            recovered = heads.mark_found(session, ids_in(found), clock(session))
            heads.note_ends(session, self._topic, ends)
        return recovered

    def _publish(self, wave: int, recovered: int) -> Round:
        with reading(self._sessions) as session:
            messages = heads.load_heads(session, clock(session), wave)
        if not messages:
            self._look_after_broker()
            return Round("active", recovered=recovered)
        if not self._hold():
            self._surveyed = False
            return Round("standby", recovered=recovered)
        self._surveyed = False  # whatever ends us before the marks are made
        done = self._publisher.publish(messages)
        return self._settle(done, recovered)

    def _settle(self, done: Publication, recovered: int) -> Round:
        refused = sum(receipt.refused is not None for receipt in done.receipts)
        with writing(self._sessions) as session:
            heads.settle(session, self._topic, done, clock(session))
        if done.interrupted:
            away = self._away(done.interrupted)
            return replace(away, published=len(done.receipts) - refused, refused=refused, recovered=recovered)
        self._surveyed = True
        self._tell_now_and_then()
        return Round("active", len(done.receipts) - refused, refused, recovered)

    def _away(self, fault: str) -> Round:
        self._surveyed, self._interrupted = False, True
        self._check_at = 0.0  # its return is told at once
        self._tell(FAILING, fault)
        return Round("away", fault=fault)

    def _look_after_broker(self) -> None:
        if time.monotonic() >= self._check_at:
            self._publisher.check()
            self._tell_now_and_then()

    def _tell_now_and_then(self) -> None:
        if time.monotonic() >= self._check_at:
            self._tell(OK, None)
            self._check_at = time.monotonic() + QUIET

    def _tell(self, state: str, code: str | None) -> None:
        with writing(self._sessions) as session:
            beat(session, KAFKA, state, code, clock(session))
