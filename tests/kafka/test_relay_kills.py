"""kill -9 of the relay: nothing is lost, next to nothing stands twice, and the order of each key is kept."""

from __future__ import annotations

import random
import signal
from datetime import timedelta

import pytest

from comms.cli.bus import STANDBY
from comms.gateways.kafka.publisher import LONGEST
from comms.services.relaying.relay import LEASE, RENEW
from comms.store.session import Sessions
from tests.kafka.bus import settings_for, standing
from tests.kafka.children import start_relay
from tests.kafka.outbox import event_ids, unpublished, write
from tests.local_stack.parts import becomes_true
from tests.servers.kafka import APACHE, Broker

pytestmark = pytest.mark.slow

TAKEOVER = timedelta(seconds=2)
"""A lease for tests of a takeover with real processes."""


def test_killed_between_the_acknowledgement_and_the_mark_it_publishes_nothing_twice(
    sessions: Sessions, database_url: str, kafka: Broker, topic: str
) -> None:
    write(sessions, keys=200, each=3)
    settings = settings_for(kafka.servers)
    killed = start_relay(database_url, settings, topic, dies="after_ack")
    killed.join(60)
    assert (killed.exitcode, unpublished(sessions)) == (-signal.SIGKILL, 600)
    assert len(standing(kafka.servers, topic).ids) == 200
    successor = start_relay(database_url, settings, topic)
    try:
        assert becomes_true(lambda: unpublished(sessions) == 0, 60)
    finally:
        successor.kill()
    found = standing(kafka.servers, topic)
    assert (found.ids, found.inversions) == (event_ids(sessions), 0)
    assert found.repeats <= 5


def test_killed_again_and_again_under_load_it_loses_nothing(
    sessions: Sessions, database_url: str, kafka: Broker, topic: str
) -> None:
    chance = random.Random(4)
    settings = settings_for(kafka.servers)
    for kill in range(5):
        write(sessions, keys=40, each=10, first=10 * kill)
        mortal = start_relay(database_url, settings, topic, wave=20)
        target = unpublished(sessions) - chance.randrange(40, 360)
        assert becomes_true(lambda target=target: unpublished(sessions) <= target, 60)  # type: ignore[misc]
        mortal.kill()
        mortal.join(10)
    last = start_relay(database_url, settings, topic)
    try:
        assert becomes_true(lambda: unpublished(sessions) == 0, 60)
    finally:
        last.kill()
    found = standing(kafka.servers, topic)
    assert (len(found.ids), found.ids, found.inversions) == (2000, event_ids(sessions), 0)
    assert found.repeats <= 5


def test_the_one_that_stands_by_takes_over_from_one_that_was_killed(
    sessions: Sessions, database_url: str, kafka: Broker, topic: str
) -> None:
    lease = LEASE if APACHE else TAKEOVER
    settings = settings_for(kafka.servers)
    write(sessions, keys=1, each=1)
    first = start_relay(database_url, settings, topic, lease=lease)
    assert becomes_true(lambda: unpublished(sessions) == 0, 60)
    second = start_relay(database_url, settings, topic, lease=lease)
    try:
        first.kill()
        write(sessions, keys=1, each=1, first=1)
        assert becomes_true(lambda: unpublished(sessions) == 0, lease.total_seconds() + 3)
    finally:
        second.kill()
        first.kill()
    assert standing(kafka.servers, topic).repeats == 0


def test_a_wave_ends_before_the_lease_does_and_a_takeover_takes_less_than_15_seconds() -> None:
    assert LEASE.total_seconds() > RENEW + LONGEST
    assert LEASE.total_seconds() + STANDBY < 14
