"""Units of work that share a transaction: each is done or undone as if it were alone, and nothing is kept half."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from comms.store import engines
from comms.store.grouping import Undone, Work, together
from comms.store.models import Therapist
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import make_therapist


@pytest.fixture
def engine(empty_sqlite: Engine) -> Engine:
    return empty_sqlite


class Failed(Exception):
    """What a test raises in the middle of a unit of work."""


def writes(sessions: Sessions, id_: int, ending: Callable[[Session], object] = lambda _: None) -> Work:
    """Write one therapist, then end in this way; what is raised stays in."""

    def work() -> None:
        with suppress(Failed, IntegrityError, OperationalError), writing(sessions) as session:
            make_therapist(session, id=id_)
            ending(session)

    return work


def fails(_: Session) -> None:
    raise Failed


def collides(session: Session) -> None:
    make_therapist(session, id=1)
    make_therapist(session, id=1)


def collides_and_goes_on(session: Session) -> None:
    with suppress(IntegrityError), session.begin_nested():
        collides(session)


def lets_all_go(session: Session) -> None:
    """As SQLite does by itself on a full disk."""
    session.connection().exec_driver_sql("ROLLBACK")


def kept(sessions: Sessions) -> list[int]:
    with reading(sessions) as session:
        return sorted(session.scalars(select(Therapist.id)))


@contextmanager
def commits_of(engine: Engine) -> Iterator[list[object]]:
    seen: list[object] = []

    def note(connection: object) -> None:
        seen.append(connection)

    event.listen(engine, "commit", note)
    try:
        yield seen
    finally:
        event.remove(engine, "commit", note)


def test_what_is_written_together_is_committed_once(engine: Engine, sessions: Sessions) -> None:
    with commits_of(engine) as commits:
        together(engine, [writes(sessions, id_) for id_ in (11, 12, 13)])

    assert kept(sessions) == [11, 12, 13]
    assert len(commits) == 1


def test_nobody_else_sees_any_of_it_before_the_end(engine: Engine, sessions: Sessions) -> None:
    seen: list[list[int]] = []

    together(engine, [writes(sessions, 11), lambda: seen.append(kept(sessions)), writes(sessions, 12)])

    assert seen == [[]]
    assert kept(sessions) == [11, 12]


def test_a_unit_of_work_sees_what_those_before_it_wrote(engine: Engine, sessions: Sessions) -> None:
    seen: list[Any] = []

    def look(session: Session) -> None:
        seen.extend(session.scalars(select(Therapist.id).order_by(Therapist.id)))

    together(engine, [writes(sessions, 11), writes(sessions, 12, look)])

    assert seen == [11, 12]


@pytest.mark.parametrize("ending", [fails, collides])
def test_what_fails_undoes_itself_and_nothing_else(
    engine: Engine, sessions: Sessions, ending: Callable[[Session], object]
) -> None:
    with commits_of(engine) as commits:
        together(engine, [writes(sessions, 11), writes(sessions, 12, ending), writes(sessions, 13)])

    assert kept(sessions) == [11, 13]
    assert len(commits) == 1


def test_where_sqlite_gives_up_all_nothing_is_kept_and_no_more_begun(engine: Engine, sessions: Sessions) -> None:
    with pytest.raises(Undone):
        together(engine, [writes(sessions, 11), writes(sessions, 12, lets_all_go), writes(sessions, 13)])

    assert kept(sessions) == []


def test_on_a_full_disk_what_has_room_is_kept(engine: Engine, sessions: Sessions) -> None:
    def fill(session: Session) -> None:
        session.execute(text("UPDATE therapists SET last_name = hex(zeroblob(10000000))"))

    with engine.connect() as connection:
        pages: int = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    @event.listens_for(engine, "begin")
    def narrow(connection: Any) -> None:
        connection.connection.cursor().execute(f"PRAGMA max_page_count={pages + 100}")

    try:
        together(engine, [writes(sessions, 11), writes(sessions, 12, fill), writes(sessions, 13)])
    finally:
        event.remove(engine, "begin", narrow)
    assert kept(sessions) == [11, 13]


def test_where_the_commit_fails_nothing_is_kept_and_the_file_is_free(engine: Engine, sessions: Sessions) -> None:
    def fail_once(_: Any) -> None:
        event.remove(engine, "commit", fail_once)
        raise OperationalError("COMMIT", None, RuntimeError("disk I/O error"))

    event.listen(engine, "commit", fail_once)
    with pytest.raises(OperationalError):
        together(engine, [writes(sessions, 11)])

    assert kept(sessions) == []
    writes(make_sessions(engines.make_engine(engine.url)), 12)()
    assert kept(sessions) == [12]


def test_while_another_writes_none_is_begun(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 10)
    begun: list[bool] = []
    with writing(sessions), pytest.raises(OperationalError):
        together(engines.make_engine(engine.url), [lambda: begun.append(True)])

    assert begun == []


def test_afterwards_this_thread_writes_for_itself_again(engine: Engine, sessions: Sessions) -> None:
    together(engine, [writes(sessions, 11)])
    writes(sessions, 12)()

    assert kept(sessions) == [11, 12]


ENDINGS = [lambda _: None, fails, collides, collides_and_goes_on]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, len(ENDINGS) - 1), max_size=8))
def test_together_is_what_each_alone_would_be(empty_sqlite: Engine, endings: list[int]) -> None:
    def outcome(do: Callable[[list[Work]], object]) -> list[int]:
        with writing(sessions) as session:
            session.execute(delete(Therapist))
        do([writes(sessions, id_, ENDINGS[kind]) for id_, kind in enumerate(endings, start=10)])
        return kept(sessions)

    sessions = make_sessions(empty_sqlite)

    assert outcome(lambda works: together(empty_sqlite, works)) == outcome(lambda works: [work() for work in works])
