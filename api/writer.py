"""The one thread that writes to SQLite: what waits for it at the same moment is written with one COMMIT."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from sqlalchemy import Engine

from api.errands import Errand, tell
from comms import logs
from comms.store.grouping import together

T = TypeVar("T")

log = logs.logger("comms.api")

LONG = 0.05
"""Seconds after which no more join: the first would wait for the last."""
UNBROKEN, REST = 1.0, 0.1
"""After so many seconds of writing the writer rests for so many, and other processes get their turn.

They look every tenth of a second whether the file is free, and would hardly ever meet the moment between two groups.
"""


class Writer:
    """Does what it is asked, in turn. Nobody is answered before what they wrote is durable."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pool = engine, ThreadPoolExecutor(1, "writer")
        self._waiting: deque[Errand] = deque()
        self._lock, self._working = Lock(), False
        self._pool.submit(self._work_off)  # has the thread begin now, where a failure is seen

    async def do(self, work: Callable[[], T]) -> T:
        """Do it, with the context variables of whoever asks; twice where it was undone."""
        errand = Errand(work)
        with self._lock:
            self._waiting.append(errand)
            begin, self._working = not self._working, True
        if begin:
            self._pool.submit(self._work_off)
        found: T = await errand.answer
        return found

    def _work_off(self) -> None:
        until = time.monotonic() + UNBROKEN
        while self._goes_on():
            self._write_together()
            if time.monotonic() > until:
                time.sleep(REST)
                until = time.monotonic() + UNBROKEN

    def _goes_on(self) -> bool:
        with self._lock:
            self._working = bool(self._waiting)
            return self._working

    def _write_together(self) -> None:
        taken: list[Errand] = []
        try:
            together(self._engine, self._take(taken))
        except Exception as error:
            log.error("group undone", requests=len(taken), waiting=len(self._waiting), exc_info=error)
            taken = self._alone(taken) if taken else self._refused(error)
        tell(taken)

    def _alone(self, undone: list[Errand]) -> list[Errand]:
        """Do each once more by itself: what it meets there, it is told."""
        for errand in undone:
            errand.do()
        return undone

    def _refused(self, error: Exception) -> list[Errand]:
        """Nobody can write now: so it is for all who wait."""
        waiting = list(self._all())
        for errand in waiting:
            errand.fail(error)
        return waiting

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
