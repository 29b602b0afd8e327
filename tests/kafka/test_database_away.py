"""A database that goes away in the middle: nothing is lost, nothing is given up, nobody's tries are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text
from sqlalchemy.exc import DBAPIError

from comms.bootstrap.trouble import passes
from comms.gateways.kafka import KafkaSource
from comms.services.inbox import handle_events, receive
from comms.services.inbox.launching import Launcher
from comms.store.models import DeadLetter, InboxEvent, PlacementRequest
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import NOW, number
from tests.kafka.bus import Bus
from tests.local_stack.parts import becomes_true
from tests.servers.topics import publish
from tests.services.messages import event_bytes, message


@pytest.fixture
def engine(empty_postgresql: Engine) -> Engine:
    """SQLite has no server that could go away."""
    return empty_postgresql


@contextmanager
def going_away(engine: Engine, at: int, containing: str = "") -> Iterator[None]:
    """End the connection of the statement number `at`, of those that contain this, before it is executed."""
    seen = 0

    def end(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        nonlocal seen
        seen += containing in statement
        if seen == at and containing in statement:
            pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            with admin.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    admin = engine.execution_options()
    event.listen(engine, "before_cursor_execute", end)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", end)


def created(count: int) -> list[bytes]:
    return [
        event_bytes("match.created", match_id=number(), patient_id=number(), therapist_id=number())
        for _ in range(count)
    ]


def rows(sessions: Sessions, model: type[InboxEvent | DeadLetter | PlacementRequest]) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_what_was_read_and_could_not_be_stored_is_read_again(engine: Engine, bus: Bus) -> None:
    sessions = make_sessions(engine)
    publish(bus.servers, bus.topics[0], [(str(place), value) for place, value in enumerate(created(200))])
    launched: list[str] = []
    launcher = Launcher(sessions, KafkaSource(bus.settings, bus.topics), launched.append)
    errors: list[Exception] = []

    def stored() -> bool:
        try:
            launcher.turn(0.2)
        except DBAPIError as error:
            errors.append(error)
        return rows(sessions, InboxEvent) == 200

    with going_away(engine, 1, "INSERT INTO inbox_events"):
        assert becomes_true(lambda: stored() or bool(errors), 30)
    assert [passes(error) for error in errors] == [True]
    assert becomes_true(stored, 30)
    launcher.close()
    assert (bus.lag(), len(errors), rows(sessions, DeadLetter)) == (0, 1, 0)


@pytest.mark.slow
def test_a_database_that_goes_away_while_events_are_applied_costs_no_try_and_no_event(engine: Engine) -> None:
    sessions = make_sessions(engine)
    for statement in range(1, 24):
        with writing(sessions) as session:
            receive(session, [message(value) for value in created(3)], NOW)
        with going_away(engine, statement), pytest.raises(DBAPIError) as raised:
            handle_events(sessions)
        assert passes(raised.value), (statement, type(raised.value))
        with reading(sessions) as session:
            tries = select(func.sum(InboxEvent.attempts), func.count(InboxEvent.fault))
            assert session.execute(tries).one() == (0, 0)
    assert becomes_true(lambda: handle_events(sessions).ended == "done", 60)
    assert (rows(sessions, PlacementRequest), rows(sessions, DeadLetter)) == (69, 0)
