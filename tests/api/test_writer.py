"""The thread that writes to SQLite: in turn, together where they wait together, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError

from api import writer
from api.parts import Parts
from api.writer import Writer
from comms.config import Settings
from comms.store import engines
from comms.store.models import Therapist
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import make_therapist

ASKER: ContextVar[str] = ContextVar("asker")


@pytest.fixture
def engine(empty_sqlite: Engine) -> Engine:
    return empty_sqlite


@pytest.fixture
def commits(engine: Engine) -> list[object]:
    """One for each COMMIT from now on; the engine forgets nobody who listens, so of this file only."""
    file, seen = engine.url.database, []

    @event.listens_for(engine, "commit")
    def note(connection: object) -> None:
        if engine.url.database == file:
            seen.append(connection)

    return seen


def keep(sessions: Sessions, id_: int) -> int:
    with writing(sessions) as session:
        make_therapist(session, id=id_)
    return id_


def kept(sessions: Sessions) -> list[int]:
    with reading(sessions) as session:
        return sorted(session.scalars(select(Therapist.id)))


async def ask_while_it_is_busy(asked: Writer, works: list[Callable[[], object]], *, leaving: int = 0) -> list[object]:
    """Have one unit of work last until all others wait behind it; return what came of these, errors too.

    The first so many do not wait for the end.
    """
    begun, goes_on = threading.Event(), threading.Event()

    def last() -> None:
        begun.set()
        assert goes_on.wait(20)

    first = asyncio.ensure_future(asked.do(last))
    await asyncio.to_thread(begun.wait, 20)
    others = [asyncio.ensure_future(asked.do(work)) for work in works]
    await asyncio.sleep(0)
    for other in others[:leaving]:
        other.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    await first
    async with asyncio.timeout(20):
        return await asyncio.gather(*others, return_exceptions=True)


def test_it_is_done_elsewhere_and_in_the_context_of_whoever_asked(engine: Engine) -> None:
    async def ask() -> tuple[str, str]:
        ASKER.set("somebody")
        return await Writer(engine).do(lambda: (threading.current_thread().name, ASKER.get()))

    thread, asker = asyncio.run(ask())

    assert thread.startswith("writer")
    assert asker == "somebody"


def test_whoever_is_answered_finds_it_written(engine: Engine, sessions: Sessions) -> None:
    async def ask() -> list[int]:
        await Writer(engine).do(lambda: keep(sessions, 11))
        return kept(sessions)

    assert asyncio.run(ask()) == [11]


def test_what_it_raises_is_raised_and_undone(engine: Engine, sessions: Sessions) -> None:
    def fail() -> None:
        with writing(sessions) as session:
            make_therapist(session, id=11)
            raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(Writer(engine).do(fail))
    assert kept(sessions) == []


def test_who_waits_at_the_same_moment_is_written_with_one_commit(
    engine: Engine, sessions: Sessions, commits: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LONG", 60)
    found = asyncio.run(
        ask_while_it_is_busy(Writer(engine), [lambda id_=id_: keep(sessions, id_) for id_ in range(11, 16)])
    )

    assert found == [11, 12, 13, 14, 15]
    assert kept(sessions) == [11, 12, 13, 14, 15]
    assert len(commits) == 1


def test_after_a_while_nobody_joins_any_more(
    engine: Engine, sessions: Sessions, commits: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LONG", 0)
    asyncio.run(ask_while_it_is_busy(Writer(engine), [lambda id_=id_: keep(sessions, id_) for id_ in (11, 12)]))

    assert kept(sessions) == [11, 12]
    assert len(commits) == 3


def test_whoever_goes_away_keeps_nobody_else_waiting(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would have been told together."""
    monkeypatch.setattr(writer, "LONG", 60)
    works: list[Callable[[], object]] = [lambda id_=id_: keep(sessions, id_) for id_ in (11, 12)]  # type: ignore[misc]

    gone, answered = asyncio.run(ask_while_it_is_busy(Writer(engine), works, leaving=1))

    assert isinstance(gone, asyncio.CancelledError)
    assert answered == 12


def test_while_another_process_writes_all_who_wait_are_told(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for itself would wait for the whole time-out, one behind the other."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 200)
    own = engines.make_engine(engine.url)
    asked = Writer(own)

    async def ask() -> list[object]:
        works = [asked.do(lambda id_=id_: keep(make_sessions(own), id_)) for id_ in (11, 12, 13)]
        async with asyncio.timeout(20):
            return await asyncio.gather(*works, return_exceptions=True)

    with writing(sessions):
        found = asyncio.run(ask())

    assert [type(error) for error in found] == [OperationalError] * 3
    assert len(set(map(id, found))) == 1, "somebody waited for a time-out of its own"


def test_after_that_it_writes_again(engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 10)
    own = engines.make_engine(engine.url)
    asked = Writer(own)
    with writing(sessions), pytest.raises(OperationalError):
        asyncio.run(asked.do(lambda: keep(make_sessions(own), 11)))

    assert asyncio.run(asked.do(lambda: keep(make_sessions(own), 12))) == 12


@pytest.mark.parametrize("error", [OperationalError("COMMIT", None, RuntimeError("disk I/O error")), MemoryError()])
def test_where_the_commit_fails_the_answer_is_that_of_the_second_time(
    engine: Engine, sessions: Sessions, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told what was undone, and the file is free again."""
    commit, failing, times = engine.dialect.do_commit, [error], []

    def fail_once(connection: Any) -> None:
        if failing:
            raise failing.pop()
        commit(connection)

    def work() -> int:
        times.append(keep(sessions, 11))
        return len(times)

    monkeypatch.setattr(engine.dialect, "do_commit", fail_once)

    assert asyncio.run(Writer(engine).do(work)) == 2
    assert kept(sessions) == [11]
    assert keep(make_sessions(engines.make_engine(engine.url)), 12) == 12


def test_where_sqlite_gives_up_all_each_is_done_once_more_alone(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LONG", 60)
    lost = [True]

    def loses_all() -> int:
        with writing(sessions) as session:
            make_therapist(session, id=12)
            if lost:
                lost.pop()
                session.connection().exec_driver_sql("ROLLBACK")
        return 12

    works: list[Callable[[], object]] = [lambda: keep(sessions, 11), loses_all, lambda: keep(sessions, 13)]

    assert asyncio.run(ask_while_it_is_busy(Writer(engine), works)) == [11, 12, 13]
    assert kept(sessions) == [11, 12, 13]


def test_whoever_has_gone_before_it_began_gets_nothing_done(engine: Engine, sessions: Sessions) -> None:
    works: list[Callable[[], object]] = [lambda: keep(sessions, 11), lambda: keep(sessions, 12)]

    asyncio.run(ask_while_it_is_busy(Writer(engine), works, leaving=1))

    assert kept(sessions) == [12]


def test_the_api_writes_with_it_to_sqlite(engine: Engine) -> None:
    parts = Parts(Settings(_env_file=None), engine)  # type: ignore[call-arg]

    assert isinstance(parts.writers, Writer)
    assert not isinstance(parts.readers, Writer)


def test_after_a_second_it_rests_and_lets_others_write(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "UNBROKEN", 0)
    rests: list[float] = []
    monkeypatch.setattr(writer.time, "sleep", rests.append)

    asked = Writer(engine)
    for id_ in (11, 12):
        asyncio.run(asked.do(lambda id_=id_: keep(sessions, id_)))  # type: ignore[misc]

    assert rests[:1] == [writer.REST]
