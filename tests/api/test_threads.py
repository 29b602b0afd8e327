"""Work in threads, and when the event loop stands still for it."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from api.threads import Threads

ASKER: ContextVar[str] = ContextVar("asker")

kinds = pytest.mark.parametrize("brief", [False, True])


@kinds
def test_it_is_done_elsewhere_and_in_the_context_of_whoever_asked(brief: bool) -> None:
    async def ask() -> tuple[str, str]:
        ASKER.set("somebody")
        return await Threads(1, "elsewhere", brief=brief).do(lambda: (threading.current_thread().name, ASKER.get()))

    thread, asker = asyncio.run(ask())

    assert thread.startswith("elsewhere")
    assert asker == "somebody"


@kinds
@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError("of the work itself")])
def test_what_it_raises_is_raised(brief: bool, error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        asyncio.run(Threads(1, "elsewhere", brief=brief).do(fail))
    assert raised.value.args == error.args


@kinds
def test_while_it_takes_long_the_loop_goes_on(brief: bool) -> None:
    """Each waits for the other: whoever held the loop would hold both for ever."""
    threads, first, second = Threads(2, "elsewhere", brief=brief), threading.Event(), threading.Event()

    def begin() -> bool:
        first.set()
        return second.wait(20)

    def end() -> bool:
        second.set()
        return first.wait(20)

    async def both() -> list[bool]:
        return await asyncio.gather(threads.do(begin), threads.do(end))

    assert asyncio.run(both()) == [True, True]
