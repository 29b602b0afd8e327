"""Two of everything over one database, under load, each ended and started again: nothing fails, nothing is lost.

One round in `make test`; `make test-rolling` goes on for many.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from comms.local_stack.ports import HOST, free_port
from comms.local_stack.probe import is_healthy
from comms.rules.scopes import Scope
from comms.store.models import Email, InboxEvent, OutboxEvent
from comms.store.session import Sessions, make_sessions, reading
from tests.api.conftest import make_key
from tests.deployments.load import Load
from tests.invariants import broken
from tests.local_stack.parts import becomes_true
from tests.servers.enduring import Part, command, serve, work
from tests.servers.kafka import broker
from tests.servers.smtp import SmtpServer
from tests.servers.topics import events, publish
from tests.services.messages import THERAPIST, event_bytes

ROUNDS = int(os.environ.get("COMMS_TEST_ROUNDS", "1"))
PATIENCE = 120
"""Seconds: it only bounds what hangs."""

TOLD_AT_ONCE = 10
"""Messages of the platform before each restart of a launcher."""


@pytest.fixture
def bus() -> Iterator[str]:
    with broker() as running:
        yield running.servers


@pytest.fixture
def mails() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def rows(empty_postgresql: Engine) -> Sessions:
    return make_sessions(empty_postgresql)


@pytest.fixture
def parts(empty_postgresql: Engine, bus: str, mails: SmtpServer, tmp_path: Path) -> Iterator[dict[str, Part]]:
    """Two of everything, started and ready. Names of API parts end with their port."""
    environment = {
        "DATABASE_URL": empty_postgresql.url.render_as_string(hide_password=False), "COMMS_HOME": str(tmp_path),
        "KAFKA_BOOTSTRAP_SERVERS": bus, "COMMS_KAFKA_SESSION_TIMEOUT_MS": "2000", "COMMS_KAFKA_HEARTBEAT_MS": "500",
        "SMTP_HOST": HOST, "SMTP_PORT": str(mails.port),
    }  # fmt: skip
    made: dict[str, Part] = {}

    def add(name: str, program: Callable[..., None], *arguments: str) -> Part:
        made[name] = Part(program, *arguments, environment=environment, log=tmp_path / f"{name}.log")
        return made[name]

    for number in range(2):
        port = str(free_port())
        add(f"api-{port}", serve, port).is_ready = partial(is_healthy, f"http://{HOST}:{port}/readyz")
        add(f"worker-{number}", work)
        for name in ("relay", "launcher"):
            one = add(f"{name}-{number}", command, name)
            one.is_ready = partial(says_ready, one)
    try:
        for started in made.values():
            started.start()
        for started in made.values():
            assert becomes_true(started.is_ready, PATIENCE), started.says()
        yield made
    finally:
        for started in made.values():
            started.kill()


def says_ready(one: Part) -> bool:
    return "ready" in one.says()


def restart(one: Part) -> None:
    assert one.end() in (0, -signal.SIGTERM), one.says()
    one.start()
    assert becomes_true(one.is_ready, PATIENCE), one.says()


def count(rows: Sessions, column: object, *where: object) -> int:
    with reading(rows) as session:
        return session.scalar(select(func.count(column)).where(*where)) or 0  # type: ignore[arg-type]


def speak(servers: str, first: int) -> None:
    """What the platform says: facts about therapists that nobody writes to."""
    told = [
        (str(id_), event_bytes("therapist.updated", therapist_id=id_, therapist_data=THERAPIST))
        for id_ in range(first, first + TOLD_AT_ONCE)
    ]
    publish(servers, "therapist-events", told)


@pytest.mark.whole
def test_two_of_everything_are_restarted_one_by_one_and_no_client_and_no_therapist_notices(
    rows: Sessions, parts: dict[str, Part], bus: str, mails: SmtpServer
) -> None:
    urls = [f"http://{HOST}:{name.partition('-')[2]}" for name in parts if name.startswith("api")]
    spoken = 0
    with Load(urls, make_key(rows, Scope.READ, Scope.WRITE)) as load:
        for _ in range(ROUNDS):
            for name, one in parts.items():
                if name.startswith("launcher"):
                    speak(bus, 1_000_000 + spoken)
                    spoken += TOLD_AT_ONCE
                restart(one)

    assert load.failures == []
    assert load.answered > len(load.email_ids) >= 1
    assert becomes_true(lambda: count(rows, Email.id, Email.status != "sent") == 0, PATIENCE, every=0.2)
    assert becomes_true(
        lambda: count(rows, OutboxEvent.id, OutboxEvent.published_at.is_(None)) == 0, PATIENCE, every=0.2
    )
    assert becomes_true(lambda: count(rows, InboxEvent.id) == spoken, PATIENCE, every=0.2)

    assert len(set(load.email_ids)) == len(load.email_ids) == count(rows, Email.id)
    assert Counter(message.recipients for message in mails.received).most_common(1)[0][1] == 1
    assert len(mails.received) == len(load.email_ids)
    told = {one["eventId"]: one["eventType"] for one in events(bus, "communication-events")}
    assert Counter(told.values()) == {
        "communication.email_created": len(load.email_ids), "communication.email_sent": len(load.email_ids),
    }  # fmt: skip
    assert broken(rows) == {}
