"""One writer for many connections."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from comms.services.sending.group_commit import GroupCommit

AWAY = OperationalError("UPDATE", {}, Exception("away"))
REFUSED = IntegrityError("UPDATE", {}, Exception("constraint"))


class Book:
    """Remembers each commit; grants even numbers; fails as often as it is told, or for ever to finish one item."""

    def __init__(self, failures: Sequence[Exception] = (), poison: str | None = None) -> None:
        self.commits: list[tuple[list[int], list[str]]] = []
        self.finished: list[str] = []
        self._failures, self._poison = list(failures), poison

    def write(self, asked: Sequence[int], told: Sequence[str]) -> Collection[int]:
        if self._failures:
            raise self._failures.pop()
        self.commits.append((list(asked), list(told)))
        return [number for number in asked if number % 2 == 0]

    def finish(self, told: Sequence[str]) -> None:
        if self._poison in told:
            raise REFUSED
        self.finished += told

    @property
    def told(self) -> list[str]:
        return [word for _, words in self.commits for word in words]


def writer_of(book: Book) -> GroupCommit[int, str]:
    return GroupCommit(book.write, book.finish)


def test_an_answer_comes_after_the_commit_and_says_what_was_granted() -> None:
    book = Book()
    writer = writer_of(book)

    assert [writer.ask(number).result(5) for number in (1, 2)] == [False, True]
    assert [asked for asked, _ in book.commits] == [[1], [2]]
    writer.close(1)


def test_what_was_told_before_is_in_the_same_commit_or_an_earlier_one() -> None:
    book = Book()
    writer = writer_of(book)
    for number in range(50):
        writer.tell(f"result {number}")
        writer.ask(number).result(5)
        assert f"result {number}" in book.told
    writer.close(1)


def test_many_that_ask_at_once_share_commits() -> None:
    gate, book = threading.Event(), Book()

    def slowly(asked: Sequence[int], told: Sequence[str]) -> Collection[int]:
        gate.wait(5)
        return book.write(asked, told)

    writer: GroupCommit[int, str] = GroupCommit(slowly, book.finish)
    futures = [writer.ask(number) for number in range(16)]
    gate.set()

    assert [future.result(5) for future in futures] == [number % 2 == 0 for number in range(16)]
    assert len(book.commits) <= 2
    writer.close(1)


def test_what_is_only_told_is_written_and_finished_without_anybody_asking() -> None:
    done = threading.Event()
    writer: GroupCommit[int, str] = GroupCommit(lambda *_: [], lambda _: done.set())
    writer.tell("alone")

    assert done.wait(5)
    writer.close(1)


def test_what_follows_is_done_for_many_at_once_and_for_all_in_the_end() -> None:
    calls: list[int] = []
    writer: GroupCommit[int, str] = GroupCommit(lambda *_: [], lambda told: calls.append(len(told)))
    for number in range(200):
        writer.tell(str(number))
        writer.ask(number).result(5)
    writer.close(5)

    assert sum(calls) == 200
    assert len(calls) < 50
    assert writer.idle


def test_an_answer_does_not_wait_for_what_can_be_finished_later() -> None:
    book = Book(poison="bad")
    writer = writer_of(book)
    writer.tell("bad")

    assert writer.ask(2).result(5)
    assert writer.close(5) == ["bad"]


def test_while_the_database_is_away_askers_are_told_and_results_are_kept_in_order() -> None:
    book = Book([AWAY, AWAY, AWAY])
    writer = writer_of(book)
    writer.tell("first")
    writer.tell("second")

    with pytest.raises(OperationalError):
        writer.ask(2).result(5)
    assert writer.close(10) == []
    assert book.finished == ["first", "second"]
    assert writer.error is AWAY


def test_one_result_that_is_refused_for_good_holds_up_no_other() -> None:
    book = Book(poison="bad")
    writer = writer_of(book)
    for word in ("good", "bad", "also good"):
        writer.tell(word)

    assert writer.close(5) == ["bad"]
    assert book.finished == ["good", "also good"]


def test_what_could_not_be_written_in_time_is_named_at_the_end() -> None:
    writer = writer_of(Book([AWAY] * 1000))
    writer.tell("lost")

    assert writer.close(0.1) == ["lost"]


def test_nobody_waits_for_a_writer_that_has_ended() -> None:
    writer = writer_of(Book())
    writer.close(1)

    with pytest.raises(RuntimeError):
        writer.ask(1).result(5)


def test_eight_connections_lose_nothing() -> None:
    book = Book()
    writer = writer_of(book)

    def connection(name: int) -> None:
        for number in range(100):
            assert writer.ask(2 * number).result(5)
            writer.tell(f"{name}/{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(connection, range(8)))
    writer.close(5)

    assert sorted(book.finished) == sorted(f"{name}/{number}" for name in range(8) for number in range(100))
