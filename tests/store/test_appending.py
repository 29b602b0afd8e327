"""Rows that go to the driver as they are: stored as if SQLAlchemy had written them, in fewer statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from comms.store.appending import append, at_once
from comms.store.models import AuditEntry, OutboxEvent, table_of
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW

ENTRIES, EVENTS = table_of(AuditEntry), table_of(OutboxEvent)
SUMMER = NOW.astimezone(timezone(timedelta(hours=2)))


def entry(subject_id: int | None = 1, **differing: Any) -> dict[str, Any]:
    plain = {"at": NOW, "actor": "ich", "action": "email.create", "subject_type": "email", "details": None}
    return plain | {"subject_id": subject_id} | differing


def announcement(event_id: str = "a", **differing: Any) -> dict[str, Any]:
    plain = {"event_type": "communication.email_created", "key": "email:1", "payload": {"email_id": 1}}
    return plain | {"event_id": event_id, "created_at": NOW} | differing


def stored(session: Session, table: Any) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in session.execute(select(table).order_by(table.c.id))]


@contextmanager
def statements_of(session: Session) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    yield said
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    "row",
    [
        entry(None),
        entry(2**40, at=SUMMER, actor="Jürgen 🙂 100 % %(at)s ?", details={"ids": [1, None], "why": "it's \\ so"}),
        entry(details={}),
        entry(details=[]),
    ],
)
def test_a_single_row_is_stored_as_sqlalchemy_stores_it(sessions: Sessions, row: dict[str, Any]) -> None:
    with writing(sessions) as session:
        session.execute(insert(ENTRIES), [row])
        append(session, ENTRIES, [row])
    with reading(sessions) as session:
        usual, appended = stored(session, ENTRIES)
    assert appended | {"id": usual["id"]} == usual


def test_what_a_column_says_when_nothing_is_given_holds_here_too(sessions: Sessions) -> None:
    with writing(sessions) as session:
        append(session, EVENTS, [announcement()])
    with reading(sessions) as session:
        [row] = stored(session, EVENTS)
    assert (row["attempts"], row["published_at"], row["origin_ids"]) == (0, None, None)


def test_many_rows_are_one_statement_and_none_is_none(sessions: Sessions) -> None:
    with writing(sessions) as session, statements_of(session) as said:
        append(session, ENTRIES, [entry(id_) for id_ in range(1, 31)])
        append(session, ENTRIES, [])
    with reading(sessions) as session:
        assert [row["subject_id"] for row in stored(session, ENTRIES)] == list(range(1, 31))
    assert len([statement for statement in said if statement.startswith("INSERT")]) == 1


def test_what_is_appended_at_once_takes_one_round_trip_to_postgresql(sessions: Sessions) -> None:
    with writing(sessions) as session, statements_of(session) as said:
        with at_once(session):
            append(session, ENTRIES, [entry(1), entry(2)])
            append(session, EVENTS, [announcement()])
            assert said == []
        server = session.get_bind().dialect.name == "postgresql"
    assert len(said) == (1 if server else 3)
    with reading(sessions) as session:
        assert [row["subject_id"] for row in stored(session, ENTRIES)] == [1, 2]
        assert [row["event_id"] for row in stored(session, EVENTS)] == ["a"]


def test_at_once_nothing_is_nothing(sessions: Sessions) -> None:
    with writing(sessions) as session, statements_of(session) as said, at_once(session):
        pass
    assert said == []


def test_what_raises_leaves_nothing_for_later(sessions: Sessions) -> None:
    with writing(sessions) as session:
        with suppress(KeyError), at_once(session):
            append(session, ENTRIES, [entry(1)])
            raise KeyError
        append(session, ENTRIES, [entry(2)])
    with reading(sessions) as session:
        assert [row["subject_id"] for row in stored(session, ENTRIES)] == [2]


def test_in_one_another_the_outermost_writes_all_in_order(sessions: Sessions) -> None:
    with writing(sessions) as session:
        with at_once(session):
            append(session, ENTRIES, [entry(1)])
            with at_once(session):
                append(session, ENTRIES, [entry(2)])
            append(session, ENTRIES, [entry(3)])
        assert [row["subject_id"] for row in stored(session, ENTRIES)] == [1, 2, 3]


def test_what_raises_in_one_another_is_what_is_told(sessions: Sessions) -> None:
    def fail() -> None:
        with writing(sessions) as session, at_once(session), at_once(session):
            raise ValueError

    with pytest.raises(ValueError):
        fail()


def test_what_a_savepoint_takes_back_is_not_written_at_once_with_the_others(sessions: Sessions) -> None:
    with writing(sessions) as session:
        with at_once(session):
            append(session, ENTRIES, [entry(1)])
            with suppress(KeyError), session.begin_nested():
                append(session, ENTRIES, [entry(2)])
                raise KeyError
            with session.begin_nested():
                append(session, ENTRIES, [entry(3)])
        assert sorted(row["subject_id"] for row in stored(session, ENTRIES)) == [1, 3]


def test_of_what_is_appended_at_once_all_is_refused_or_nothing(sessions: Sessions) -> None:
    def write_twice() -> None:
        with writing(sessions) as session, at_once(session):
            append(session, ENTRIES, [entry()])
            append(session, EVENTS, [announcement("twice"), announcement("twice")])

    with pytest.raises(IntegrityError):
        write_twice()
    with reading(sessions) as session:
        assert stored(session, ENTRIES) + stored(session, EVENTS) == []


def test_an_error_does_not_quote_the_parameters(sessions: Sessions) -> None:
    with pytest.raises(IntegrityError) as raised, writing(sessions) as session:
        append(session, ENTRIES, [entry(actor=None, action="Geheimrat")])
    assert "[SQL parameters hidden" in str(raised.value)


def test_a_time_without_its_offset_is_refused(sessions: Sessions) -> None:
    with pytest.raises(TypeError, match="aware"), writing(sessions) as session:
        append(session, ENTRIES, [entry(at=NOW.replace(tzinfo=None))])
