"""Threads for what waits for the database, so that the event loop need not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")

MOMENT = 0.005
"""Seconds for which the event loop may stand still."""


class Threads:
    """So many at work at once; what comes meanwhile waits for its turn.

    Of `brief` work, such as a page out of SQLite, the loop awaits the end standing still, for a moment at most and only
    while none takes longer: two threads that want the interpreter at the same time cost each other more.
    """

    def __init__(self, count: int, name: str, *, brief: bool = False) -> None:
        self._pool, self._brief = ThreadPoolExecutor(count, name), brief
        self._long = 0

    async def do(self, work: Callable[[], T]) -> T:
        """Do it, with the context variables of whoever asks."""
        future = self._pool.submit(copy_context().run, work)
        if self._brief and not self._long:
            with suppress(TimeoutError):
                future.exception(MOMENT)
            if future.done():
                return future.result()
        self._long += 1
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._long -= 1
