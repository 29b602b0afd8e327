"""Work in threads: few at first, more where these are held up, and nobody waits for another's end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from api import threads
from api.errands import Errand, tell
from api.threads import Threads

PATIENCE = 0.05
ASKER: ContextVar[str] = ContextVar("asker")


def answers(asked: Threads, *works: Callable[[], Any]) -> list[Any]:
    """Ask for all of these at once; return what they returned."""

    async def ask() -> list[Any]:
        async with asyncio.timeout(20):
            return await asyncio.gather(*map(asked.do, works))

    return asyncio.run(ask())


def waiting_for(event: threading.Event) -> Callable[[], bool]:
    return lambda: event.wait(20)


def test_it_is_done_elsewhere_and_in_the_context_of_whoever_asked() -> None:
    async def ask() -> tuple[str, str]:
        ASKER.set("somebody")
        return await Threads(1, 1, "elsewhere", PATIENCE).do(lambda: (threading.current_thread().name, ASKER.get()))

    thread, asker = asyncio.run(ask())

    assert thread.startswith("elsewhere")
    assert asker == "somebody"


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError("of the work itself")])
def test_what_it_raises_is_raised(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        answers(Threads(1, 1, "elsewhere", PATIENCE), fail)
    assert raised.value.args == error.args


def test_what_is_held_up_holds_nobody_else_up() -> None:
    """The first waits for the last, and neither holds the event loop."""
    first = threading.Event()

    assert answers(Threads(1, 2, "elsewhere", PATIENCE), waiting_for(first), first.set) == [True, None]


def test_there_are_never_more_at_work_than_may_be() -> None:
    lock, working, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def work() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        together.wait(20)
        with lock:
            working -= 1

    answers(Threads(1, 3, "elsewhere", PATIENCE), *[work] * 9)

    assert most == 3


def test_while_nobody_waits_for_long_a_few_do_it() -> None:
    at_work: set[str] = set()

    answers(Threads(2, 20, "elsewhere", 60), *[lambda: at_work.add(threading.current_thread().name)] * 50)

    assert len(at_work) <= 2


@pytest.mark.parametrize("after", [0, 3 * PATIENCE])
def test_whoever_is_done_is_told_though_the_next_takes_long(after: float) -> None:
    asked, may_end, told = Threads(1, 1, "elsewhere", PATIENCE), threading.Event(), threading.Event()

    async def ask() -> bool:
        done, last = (asyncio.ensure_future(asked.do(waiting_for(event))) for event in (may_end, told))
        done.add_done_callback(lambda _: told.set())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(after, may_end.set)
        return await last

    assert asyncio.run(ask())


def test_of_what_ends_in_one_go_the_loop_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def count(errands: Sequence[Errand]) -> None:
        told.append(len(errands))
        tell(errands)

    async def ask(asked: Threads) -> None:
        begun, all_wait = threading.Event(), threading.Event()
        first = asyncio.ensure_future(asked.do(lambda: begun.set() or all_wait.wait(20)))
        await asyncio.to_thread(begun.wait, 20)
        others = [asyncio.ensure_future(asked.do(lambda: None)) for _ in range(threads.AT_ONCE)]
        await asyncio.sleep(0)
        all_wait.set()
        await asyncio.gather(first, *others)

    monkeypatch.setattr(threads, "tell", count)
    asyncio.run(ask(Threads(1, 1, "elsewhere", 20)))

    assert [count for count in told if count] == [threads.AT_ONCE, 1]


def test_whoever_goes_away_with_his_loop_leaves_the_thread_to_others() -> None:
    asked, goes_on = Threads(1, 1, "elsewhere", PATIENCE), threading.Event()

    async def leave() -> None:
        gone = asyncio.ensure_future(asked.do(waiting_for(goes_on)))
        await asyncio.sleep(0)
        gone.cancel()

    asyncio.run(leave())
    goes_on.set()

    assert answers(asked, lambda: "done") == ["done"]


def test_what_ends_with_nothing_left_keeps_nobody_waiting() -> None:
    """asyncio takes no StopIteration."""

    async def ask() -> list[object]:
        asked = Threads(1, 1, "elsewhere", 60)
        works: list[Callable[[], object]] = [lambda: next(iter(())), lambda: "done"]
        async with asyncio.timeout(20):
            return await asyncio.gather(*map(asked.do, works), return_exceptions=True)

    ended, done = asyncio.run(ask())

    assert isinstance(ended, RuntimeError)
    assert done == "done"
