"""PostgreSQL restarted, its connections cut or stalled: who runs on lives on, and what clients were told is true."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from comms.services.events import add_events
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.models import Suppression
from comms.store.outbox import Story
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.api.conftest import make_key
from tests.factories import NOW
from tests.faults.api_clients import Clients
from tests.faults.figures import Note
from tests.faults.history import History
from tests.faults.judging import contradictions
from tests.faults.postgres_proxy import PostgresProxy, When
from tests.faults.small_disk import PostgresOnSmallDisk
from tests.kafka.outbox import unpublished
from tests.local_stack.parts import becomes_true
from tests.servers.api import server_process
from tests.servers.commands import start_command
from tests.servers.kafka import broker
from tests.servers.postgres import Postgres

FIRST_GOOD = 10
"""Seconds after the end of a fault in which the first good answer comes."""

LONGEST = 30
"""Seconds after which a client hangs."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    running = Postgres(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def engine(server: Postgres) -> Iterator[Engine]:
    made = make_engine(server.url)
    upgrade(made)
    yield made
    made.dispose()


def suppressed(sessions: Sessions) -> Counter[str]:
    with reading(sessions) as session:
        return Counter(session.scalars(select(Suppression.mailbox)))


def announce(sessions: Sessions, number: int) -> None:
    told = {"email_id": number, "therapist_id": 1, "placement_request_ids": [], "sent_at": NOW.isoformat()}
    with writing(sessions) as session:
        add_events(session, "communication.email_sent", [(f"email:{number}", told)], NOW, {f"email:{number}": Story()})


def restart(server: Postgres, how: signal.Signals) -> None:
    server.stop(how)
    server.start()


def stall(proxy: PostgresProxy, seconds: float) -> None:
    """The one place where time itself is the fault."""
    proxy.stall()
    time.sleep(seconds)
    proxy.go_on()


@pytest.mark.slow
def test_whatever_postgres_does_api_and_relay_live_on_and_what_was_told_is_true(
    server: Postgres, engine: Engine, tmp_path: Path, figure: Note, whole: bool
) -> None:
    sessions, stalled = make_sessions(engine), 20 if whole else 3
    with PostgresProxy(server.port) as proxy, broker() as kafka:
        faults: dict[str, Callable[[], None]] = {
            "restarted, fast": lambda: restart(server, signal.SIGINT),
            "restarted, immediate": lambda: restart(server, signal.SIGQUIT),
            "connections reset": proxy.reset,
            "cut behind a COMMIT": lambda: cut_behind_a_commit(proxy),
            f"stalled {stalled} s": lambda: stall(proxy, stalled),
        }
        url = proxy.url(server.url)
        environment = {"DATABASE_URL": url, "COMMS_HOME": str(tmp_path), "KAFKA_BOOTSTRAP_SERVERS": kafka.servers}
        relay = start_command(["relay"], environment, tmp_path / "relay")
        with server_process(url) as (address, process):
            clients = Clients(address, make_key(sessions, "write"), History(tmp_path / "history"))
            with clients.asking(4):
                assert becomes_true(lambda: len(clients.good) > 20, 120)  # nobody waits for its first answer any more
                for number, (name, fault) in enumerate(faults.items(), 1):
                    clients.slowest = 0.0
                    fault()
                    first_good = await_good(clients)
                    announce(sessions, number)
                    assert becomes_true(lambda: unpublished(sessions) == 0, 60), (tmp_path / "relay").read_text()
                    promise = (
                        f"the first good answer within {FIRST_GOOD} s, none after {LONGEST} s; API and relay live on"
                    )
                    figure(f"PostgreSQL {name}", promise, f"{first_good:.1f} s; longest {clients.slowest:.1f} s")
                    assert (first_good <= FIRST_GOOD, clients.slowest <= LONGEST) == (True, True), name
            assert (process.is_alive(), relay.is_alive()) == (True, True)
        relay.terminate()
        relay.join(60)
        assert relay.exitcode == 0
    told = clients.history.read()
    assert contradictions(sessions, asked=told, there=suppressed(sessions)) == []
    counted = Counter(question.told.value for question in told)
    figure("PostgreSQL away", "ok is there once, failed is not, unknown at most once", f"{dict(counted)}, wrong 0")


def cut_behind_a_commit(proxy: PostgresProxy) -> None:
    """The next COMMIT is done, and nobody hears of it."""
    proxy.arm(1, When.AFTER, proxy.reset)
    assert becomes_true(lambda: proxy.killed, 60)


def await_good(clients: Clients) -> float:
    """Wait for a good answer to a question that is asked from now on; return after how many seconds it came."""
    began = time.monotonic()
    assert becomes_true(lambda: clients.good_since(began) is not None, 120), clients.codes
    return clients.good_since(began) or 0.0


@pytest.mark.whole
def test_a_full_disk_loses_nothing_that_was_acknowledged_and_a_freed_one_is_used_at_once(
    tmp_path: Path, figure: Note
) -> None:
    server = PostgresOnSmallDisk(tmp_path)
    server.start()
    engine = make_engine(server.url)
    try:
        upgrade(engine)
        sessions = make_sessions(engine)
        with server_process(server.url) as (address, process):
            clients = Clients(address, make_key(sessions, "write"), History(tmp_path / "history"))
            with clients.asking(4):
                assert becomes_true(lambda: len(clients.good) > 20, 120), clients.codes
                server.fill()
                assert becomes_true(lambda: bool(clients.codes), 120)
                server.free()
                first_good = await_good(clients)
            assert process.is_alive()
        told = clients.history.read()
        assert contradictions(sessions, asked=told, there=suppressed(sessions)) == []
    finally:
        engine.dispose()
        server.stop()
    assert first_good <= FIRST_GOOD
    counted = Counter(question.told.value for question in told)
    promise = f"ok is there once, failed is not, unknown at most once; the first good answer within {FIRST_GOOD} s"
    figure("PostgreSQL, disk full and freed", promise, f"{first_good:.1f} s; {dict(counted)}, wrong 0")
