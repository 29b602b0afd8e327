"""One writer for all connections of a process: what several ask for at once shares one commit."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import Generic, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from comms.errors import CommsError

Asked = TypeVar("Asked")
Told = TypeVar("Told")

TICK = 0.05
"""Seconds until what was only told is written and finished, if nobody asks for anything."""
FINISH_AT = 32
"""Finished together while people go on asking: large enough to be cheap, small enough not to keep them waiting."""
LONGEST_PAUSE = 1.0
"""Seconds between two tries while the database is away."""

_AWAY = (OperationalError, InterfaceError)


class GroupCommit(Generic[Asked, Told]):
    """Writes in a thread of its own, in two steps that each open and commit one transaction.

    `write(asked, told)` returns what of `asked` is granted. What is asked waits for its commit; what is told rides
    along, so that what a connection told before it asks is committed with the answer or earlier. It does little.
    `finish(told)` does later, for many at once, what follows from what was told. All is kept until it is done.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Asked], Sequence[Told]], Collection[Asked]],
        finish: Callable[[Sequence[Told]], None],
    ) -> None:
        self._write, self._finish = write, finish
        self._asked: queue.SimpleQueue[tuple[Asked, Future[bool]] | None] = queue.SimpleQueue()
        self._told: deque[Told] = deque()
        self._unfinished: deque[Told] = deque()
        self._busy = False
        self._failures = 0
        self._dead = False
        self._end: float | None = None
        self._lock = threading.Lock()
        self.error: Exception | None = None
        """The latest failure of the database, if there was one."""
        self.unwritable: list[Told] = []
        """What the database refused for good; its leases run out and it is rescued."""
        there = copy_context()  # what is written there goes back to the same cause as what is done here
        self._thread = threading.Thread(target=there.run, args=(self._run,), name="group-commit", daemon=True)
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
        """Everything that was told is finished."""
        return not (self._told or self._unfinished or self._busy)

    def close(self, patience: float) -> list[Told]:
        """Write what is left, trying for `patience` seconds; return what could not be written."""
        self._end = time.monotonic() + patience
        self._asked.put(None)
        self._thread.join()
        return [*self.unwritable, *self._unfinished, *self._told]

    def _run(self) -> None:
        try:
            while not self._over():
                group = self._next_group()
                self._busy = True
                self._write_group(group)
                if not group or len(self._unfinished) >= FINISH_AT:
                    self._finish_all()
                self._busy = False
        finally:
            with self._lock:
                self._dead = True
            for _, done in self._drain():
                done.set_exception(RuntimeError("the writer has ended"))

    def _over(self) -> bool:
        left = self._told or self._unfinished
        return self._end is not None and (not left or time.monotonic() > self._end)

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
        told = [self._told.popleft() for _ in range(len(self._told))]
        if not group and not told:
            return
        try:
            granted = self._write([item for item, _ in group], told)
        except (SQLAlchemyError, CommsError) as error:
            self._told.extendleft(reversed(told))
            self._failed(error)
            for _, done in group:
                done.set_exception(error)
            return
        self._failures = 0
        self._unfinished.extend(told)
        for item, done in group:
            done.set_result(item in granted)

    def _finish_all(self) -> None:
        """Finish everything at once; one that the database refuses must not hold up the others."""
        if not self._unfinished:
            return
        try:
            self._finish(list(self._unfinished))
            self._unfinished.clear()
        except _AWAY as error:
            self._failed(error)
        except (SQLAlchemyError, CommsError):
            for item in list(self._unfinished):
                self._finish_alone(item)

    def _finish_alone(self, item: Told) -> None:
        try:
            self._finish([item])
        except _AWAY as error:
            self._failed(error)
            return
        except (SQLAlchemyError, CommsError) as error:
            self._failed(error)
            self.unwritable.append(item)
        self._unfinished.remove(item)

    def _failed(self, error: Exception) -> None:
        self.error = error
        self._failures = min(self._failures + 1, 10)
