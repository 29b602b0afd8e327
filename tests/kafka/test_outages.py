"""A broker that is cut off, or not there yet: nobody waits for it, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from comms.services.readiness import State, look
from comms.services.sending import send_queued_emails
from comms.store.models import InboxEvent
from comms.store.session import Sessions, reading
from tests.factories import number
from tests.kafka.bus import Bus, settings_for, standing
from tests.kafka.children import start_launcher, start_relay
from tests.kafka.outbox import event_ids, unpublished, write
from tests.local_stack.parts import becomes_true
from tests.servers.kafka import APACHE, Broker
from tests.servers.sending import QUICK, queue_emails, smtp_sender
from tests.servers.smtp import SmtpServer
from tests.servers.topics import publish
from tests.services.messages import event_bytes

pytestmark = pytest.mark.slow

CUT = 30.0 if APACHE else 2.5
"""Seconds; on the embedded broker the relay is made as much less patient."""

KEYS = 50
PACE = 0.03
"""Seconds between two commits of the load."""


class Load:
    """Services that go on committing; remembers how long the slowest had to wait."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions, self.commits, self.slowest = sessions, 0, 0.0

    def go_on(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            write(self.sessions, keys=KEYS, each=1, first=self.commits)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.commits += 1
            time.sleep(PACE)


def test_while_the_broker_is_cut_off_nobody_waits_and_afterwards_everything_stands_there_in_order(
    sessions: Sessions, database_url: str, own_broker: Broker, topic: str
) -> None:
    load = Load(sessions)
    relay = start_relay(database_url, settings_for(own_broker.servers), topic, impatient=not APACHE)
    try:
        load.go_on(0.5)
        assert becomes_true(lambda: unpublished(sessions) < load.commits * KEYS, 30)
        own_broker.freeze()
        before = load.commits
        load.go_on(CUT)
        assert load.commits > before
        own_broker.thaw()
        waiting, began = unpublished(sessions), time.monotonic()
        assert becomes_true(lambda: unpublished(sessions) == 0, 120)
    finally:
        relay.kill()
    pace = waiting / (time.monotonic() - began)
    print(f"\n{waiting} events drained, {pace:,.0f} a second; the slowest commit took {load.slowest:.2f} s")
    assert load.slowest < 2
    found = standing(own_broker.servers, topic)
    assert (found.ids, found.inversions) == (event_ids(sessions), 0)
    assert found.repeats <= 5
    assert pace >= 500 or not APACHE, "what is measured holds for a machine that does nothing else"


@pytest.fixture
def lonely() -> Iterator[Broker]:
    """A broker that has not been started."""
    made = Broker()
    yield made
    made.kill()
    made.forget()


def test_without_a_broker_emails_go_out_and_one_that_comes_late_is_used_within_ten_seconds(
    database_url: str, sessions: Sessions, lonely: Broker, tmp_path: Path
) -> None:
    bus = Bus(lonely.servers, f"late-{number()}")
    write(sessions, keys=20, each=2)
    queue_emails(sessions, 3)
    relay = start_relay(database_url, bus.settings, f"ours-{bus.name}")
    launcher = start_launcher(database_url, bus.settings, bus.topics, tmp_path / "launched")
    try:
        assert becomes_true(lambda: kafka_state(sessions) == State.FAILING, 60)
        with SmtpServer() as mail:
            assert send_queued_emails(sessions, smtp_sender(mail.port), QUICK, datetime.now(UTC), limit=10).sent == 3
        assert unpublished(sessions) == 43
        lonely.start()
        began = time.monotonic()
        publish(bus.servers, bus.topics[0], [("1", event_bytes("patient.created", patient_id=number()))] * 20)
        assert becomes_true(lambda: unpublished(sessions) == 0 and stored(sessions) == 1, 10)
        assert kafka_state(sessions) == State.OK
        print(f"\nused {time.monotonic() - began:.1f} s after it came")
    finally:
        relay.kill()
        launcher.kill()
    assert standing(bus.servers, f"ours-{bus.name}").ids == event_ids(sessions)


def stored(sessions: Sessions) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count()).select_from(InboxEvent)) or 0


def kafka_state(sessions: Sessions) -> State:
    """As `/readyz` says it."""
    found = look(sessions.kw["bind"], sessions, kafka=True).checks.kafka
    assert found
    return found.state
