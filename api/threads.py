"""Threads for what waits for the database, so that the event loop need not."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from api.errands import Errand, tell

T = TypeVar("T")

AT_ONCE = 8
"""Answers for which the event loop is woken once."""


class Threads:
    """A few threads at work, and up to `most` while these are held up.

    Threads that want the interpreter at the same time cost each other more than they gain. So a few work off what
    waits, and tell of several ends at once; but whatever takes longer than `patience` (seconds) has one more thread
    begin, and is told of as soon as it ends.
    """

    def __init__(self, few: int, most: int, name: str, patience: float) -> None:
        self._few, self._most, self._patience = few, most, patience
        self._pool = ThreadPoolExecutor(most, name)
        self._waiting: deque[Errand] = deque()
        self._lock, self._working = Lock(), 0

    async def do(self, work: Callable[[], T]) -> T:
        """Do it, with the context variables of whoever asks."""
        errand = Errand(work)
        self._waiting.append(errand)
        self._begin(self._few)
        asyncio.get_running_loop().call_later(self._patience, self._hurry, errand)
        found: T = await errand.answer
        return found

    def _hurry(self, errand: Errand) -> None:
        errand.late = True
        if errand.ended:
            errand.tell()
        elif not errand.begun:
            self._begin(self._most)

    def _begin(self, limit: int) -> None:
        """Have one more thread work, where fewer than this do."""
        with self._lock:
            if self._working >= limit or not self._waiting:
                return
            self._working += 1
        try:
            self._pool.submit(self._work_off)
        except RuntimeError:  # the machine gives no thread
            with self._lock:
                self._working -= 1
            raise

    def _work_off(self) -> None:
        ended: list[Errand] = []
        while errand := self._next():
            errand.do()
            ended.append(errand)
            if errand.late or len(ended) == AT_ONCE or not self._waiting:
                tell(ended)
                ended = []
        tell(ended)

    def _next(self) -> Errand | None:
        """What waits longest; None where nothing does, and then this thread counts no longer."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._working -= 1
            return None
