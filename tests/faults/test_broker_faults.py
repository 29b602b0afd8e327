"""A broker that kills, cuts and delays whoever writes or commits: nothing lost, each effect once, each key in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from comms.services.inbox import handle_events
from comms.store.models import InboxEvent, PlacementRequest
from comms.store.session import Sessions, reading
from tests.factories import number
from tests.faults.figures import Note
from tests.faults.judging import contradictions
from tests.kafka.bus import Bus, settings_for, standing
from tests.kafka.children import start_launcher, start_relay
from tests.kafka.outbox import event_ids, unpublished, write
from tests.local_stack.parts import becomes_true
from tests.servers.broker_proxy import BrokerProxy, Request, When
from tests.servers.topics import publish
from tests.services.messages import event_bytes

pytestmark = pytest.mark.whole
KEYS, WAVES = 40, 4
EVENTS = 200
LATE = 2.0
HARMS = ("kill", "cut", "delay")
CASES = [(harm, when) for harm in HARMS for when in When]


@pytest.fixture
def proxy() -> Iterator[BrokerProxy]:
    with BrokerProxy() as running:
        yield running


def harm_at(proxy: BrokerProxy, request: Request, count: int, harm: str, when: When, victims: list[int]) -> None:
    """Kill the last of the victims, break its connection, or keep it waiting at this request."""
    acts = {
        "kill": lambda: os.kill(victims[-1], signal.SIGKILL),
        "cut": lambda: None,
        "delay": lambda: threading.Event().wait(LATE),
    }
    proxy.arm(request, count, when, acts[harm], cuts=harm != "delay")


def revived(start: Callable[[], BaseProcess], first: BaseProcess, harm: str) -> BaseProcess:
    """Whoever was killed is started again, as a supervisor would."""
    if harm != "kill":
        return first
    first.join(60)
    assert first.exitcode == -signal.SIGKILL
    return start()


@pytest.mark.parametrize(("harm", "when"), CASES, ids=lambda part: getattr(part, "value", part))
def test_a_relay_harmed_while_it_publishes_loses_nothing_and_keeps_the_order(
    sessions: Sessions, database_url: str, proxy: BrokerProxy, harm: str, when: When, figure: Note
) -> None:
    topic = f"communication-{number()}"
    start = partial(start_relay, database_url, settings_for(proxy.servers), topic, impatient=True)
    write(sessions, keys=KEYS, each=WAVES)
    victims: list[int] = []
    for count in (1, 3):
        write(sessions, keys=KEYS, each=WAVES, first=WAVES * count)
        harm_at(proxy, Request.PRODUCE, count, harm, when, victims)
        relay = start()
        victims.append(int(relay.pid or 0))
        relay = revived(start, relay, harm)
        try:
            assert becomes_true(lambda: unpublished(sessions) == 0, 120)
        finally:
            relay.kill()
            relay.join(10)
    found = standing(proxy.servers, topic)
    assert (found.ids, found.inversions) == (event_ids(sessions), 0)
    assert found.repeats <= 5
    case = f"broker: {harm} {when.value} a produce, {sessions.kw['bind'].dialect.name}"
    figure(case, "all events there, in order per key", f"{len(found.ids)} events, {found.repeats} repeats")


@pytest.mark.parametrize(("harm", "when"), CASES, ids=lambda part: getattr(part, "value", part))
def test_a_launcher_harmed_while_it_commits_keeps_everything_once(
    sessions: Sessions, database_url: str, proxy: BrokerProxy, tmp_path: Path, harm: str, when: When, figure: Note
) -> None:
    bus = Bus(proxy.servers, f"run-{number()}")
    said = [
        event_bytes("match.created", match_id=number(), patient_id=number(), therapist_id=number())
        for _ in range(EVENTS)
    ]
    publish(bus.servers, bus.topics[0], [(None, value) for value in said])
    start = partial(start_launcher, database_url, bus.settings, bus.topics, tmp_path / "launched")
    victims: list[int] = []
    harm_at(proxy, Request.OFFSET_COMMIT, 1, harm, when, victims)
    launcher = start()
    victims.append(int(launcher.pid or 0))
    launcher = revived(start, launcher, harm)
    try:
        assert becomes_true(lambda: stored(sessions) == EVENTS and bus.lag() == 0, 120)
    finally:
        launcher.kill()
        launcher.join(10)
    assert handle_events(sessions).applied == {"match.created": EVENTS}
    with reading(sessions) as session:
        assert session.scalar(select(func.count(PlacementRequest.id))) == EVENTS
    assert contradictions(sessions) == []
    case = f"broker: {harm} {when.value} an offset commit, {sessions.kw['bind'].dialect.name}"
    figure(case, "every event of the platform acts once", f"{EVENTS} events, 0 lost, 0 twice")


def stored(sessions: Sessions) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count(InboxEvent.id))) or 0
