"""One writer for all connections of a process: what several ask for at once shares one commit."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from comms.errors import CommsError

Asked = TypeVar("Asked")
Told = TypeVar("Told")

TICK = 0.05
"""Seconds until what was only told is written, if nobody asks for anything."""
LONGEST_PAUSE = 1.0
"""Seconds between two tries while the database is away."""

_AWAY = (OperationalError, InterfaceError)


class GroupCommit(Generic[Asked, Told]):
    """Runs `write(asked, told)` in a thread of its own: one transaction, which returns what of `asked` is granted.

    What is asked waits for its commit. What is told rides along with the next one, in order, and is kept until it is
    written: what a connection told before it asks is in the same commit as the answer or in an earlier one.
    """

    def __init__(self, write: Callable[[Sequence[Asked], Sequence[Told]], Collection[Asked]]) -> None:
        self._write = write
        self._asked: queue.SimpleQueue[tuple[Asked, Future[bool]] | None] = queue.SimpleQueue()
        self._told: deque[Told] = deque()
        self._writing = 0
        self._failures = 0
        self._dead = False
        self._end: float | None = None
        self._lock = threading.Lock()
        self.error: Exception | None = None
        """The latest failure of the database, if there was one."""
        self.unwritable: list[Told] = []
        """What the database refused for good; its leases run out and it is rescued."""
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def ask(self, item: Asked) -> Future[bool]:
        """Say whether `item` was granted, after the commit; the future raises if nothing could be committed."""
        done: Future[bool] = Future()
        with self._lock:
            if self._dead:
                done.set_exception(RuntimeError("the writer has ended"))
            else:
                self._asked.put((item, done))
        return done

    def tell(self, item: Told) -> None:
        """Have `item` written soon."""
        self._told.append(item)

    def nudge(self) -> None:
        """Have everything written now, not at the next tick."""
        self._asked.put(None)

    @property
    def idle(self) -> bool:
        """Everything that was told is written."""
        return not self._told and not self._writing

    def close(self, patience: float) -> list[Told]:
        """Write what is left, trying for `patience` seconds; return what could not be written."""
        self._end = time.monotonic() + patience
        self._asked.put(None)
        self._thread.join()
        return [*self.unwritable, *self._told]

    def _run(self) -> None:
        try:
            while not self._over():
                self._write_group(self._next_group())
        finally:
            with self._lock:
                self._dead = True
            for _, done in self._drain():
                done.set_exception(RuntimeError("the writer has ended"))

    def _over(self) -> bool:
        return self._end is not None and (not self._told or time.monotonic() > self._end)

    def _next_group(self) -> list[tuple[Asked, Future[bool]]]:
        """Wait for somebody to ask, at most a tick; after failures ever longer."""
        with suppress(queue.Empty):
            first = self._asked.get(timeout=min(TICK * 2**self._failures, LONGEST_PAUSE))
            return [first, *self._drain()] if first else self._drain()
        return []

    def _drain(self) -> list[tuple[Asked, Future[bool]]]:
        group = []
        with suppress(queue.Empty):
            while True:
                if (following := self._asked.get_nowait()) is not None:
                    group.append(following)
        return group

    def _write_group(self, group: Sequence[tuple[Asked, Future[bool]]]) -> None:
        told = self._take_told()
        if not group and not told:
            return
        try:
            granted = self._write([item for item, _ in group], told)
        except (SQLAlchemyError, CommsError) as error:
            self._failed(error, told)
            for _, done in group:
                done.set_exception(error)
            return
        finally:
            self._writing = 0
        self._failures = 0
        for item, done in group:
            done.set_result(item in granted)

    def _take_told(self) -> list[Told]:
        """`_writing` counts before the queue shrinks, so that `idle` is never true too early."""
        self._writing = len(self._told)
        return [self._told.popleft() for _ in range(self._writing)]

    def _failed(self, error: Exception, told: Sequence[Told]) -> None:
        """Keep everything for the next try; one that alone is refused must not hold up the others."""
        self.error = error
        self._failures = min(self._failures + 1, 10)
        if isinstance(error, _AWAY) or not told:
            self._told.extendleft(reversed(told))
            return
        for item in told:
            self._write_alone(item)

    def _write_alone(self, item: Told) -> None:
        try:
            self._write([], [item])
        except _AWAY as error:
            self.error = error
            self._told.append(item)
        except (SQLAlchemyError, CommsError) as error:
            self.error = error
            self.unwritable.append(item)
