"""The one thread that writes to SQLite: what waits for it at the same moment is written with one COMMIT."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.errands import Errand, tell
from comms.store.grouping import together

T = TypeVar("T")

LONG = 0.05
"""Seconds after which no more join: the first would wait for the last."""


class Writer:
    """Does what it is asked, in turn. Nobody is answered before what they wrote is durable."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pool = engine, ThreadPoolExecutor(1, "writer")
        self._waiting: deque[Errand] = deque()

    async def do(self, work: Callable[[], T]) -> T:
        """Do it, with the context variables of whoever asks; twice where it was undone."""
        errand = Errand(work)
        self._waiting.append(errand)
        self._pool.submit(self._work_off)
        found: T = await errand.answer
        return found

    def _work_off(self) -> None:
        """Do what waits, which may be nothing: whoever came before took it along."""
        taken: list[Errand] = []
        try:
            if self._waiting:
                together(self._engine, self._take(taken))
        except SQLAlchemyError as error:  # nobody can write now: so it is for all who wait
            for errand in self._all():
                errand.fail(error)
                taken.append(errand)
        finally:
            tell(taken)

    def _take(self, taken: list[Errand]) -> Iterator[Callable[[], None]]:
        until = time.monotonic() + LONG
        for errand in self._all():
            taken.append(errand)
            yield errand.do
            if time.monotonic() > until:
                break

    def _all(self) -> Iterator[Errand]:
        while self._waiting:
            yield self._waiting.popleft()
