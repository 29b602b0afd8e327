"""The one thread that writes to SQLite: what waits for it at the same moment is written with one COMMIT."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from comms.store.grouping import together

T = TypeVar("T")

LONG = 0.05
"""Seconds after which no more join: the first would wait for the last."""


class Writer:
    """Does what it is asked, in turn. Nobody is answered before what they wrote is durable."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pool = engine, ThreadPoolExecutor(1, "writer")
        self._waiting: deque[_Asked] = deque()

    async def do(self, work: Callable[[], T]) -> T:
        """Do it, with the context variables of whoever asks; twice where it was undone."""
        asked = _Asked(partial(copy_context().run, work))
        self._waiting.append(asked)
        self._pool.submit(self._work_off)
        found: T = await asked.answer
        return found

    def _work_off(self) -> None:
        """Do what waits, which may be nothing: whoever came before took it along."""
        taken: list[_Asked] = []
        try:
            if self._waiting:
                together(self._engine, self._take(taken))
        except SQLAlchemyError as error:  # nobody can write now: so it is for all who wait
            for asked in self._all():
                asked.fail(error)
                taken.append(asked)
        finally:
            _tell(taken)

    def _take(self, taken: list[_Asked]) -> Iterator[Callable[[], None]]:
        until = time.monotonic() + LONG
        for asked in self._all():
            taken.append(asked)
            yield asked.do
            if time.monotonic() > until:
                break

    def _all(self) -> Iterator[_Asked]:
        while self._waiting:
            yield self._waiting.popleft()


class _Asked:
    """One unit of work, and what became of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._work = work
        self.fail(RuntimeError("it was not done"))

    def do(self) -> None:
        try:
            self._found = partial(self.answer.set_result, self._work())
        except BaseException as error:  # noqa: BLE001 - whoever asked gets it
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        self._found = partial(self.answer.set_exception, error)

    def tell(self) -> None:
        if not self.answer.done():  # whoever asked may have gone
            self._found()


def _tell(asked: list[_Asked]) -> None:
    """Wake each event loop once."""
    for loop in {one.answer.get_loop() for one in asked}:
        loop.call_soon_threadsafe(_tell_here, [one for one in asked if one.answer.get_loop() is loop])


def _tell_here(asked: list[_Asked]) -> None:
    for one in asked:
        one.tell()
