"""Asking what may hang without hanging oneself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Probe(Generic[T]):
    """Looks in a thread of its own, one look at a time: who asks while one is under way waits for it.

    What was seen is told again for `fresh` seconds, so that an open door is no way to keep a database busy.
    """

    def __init__(self, look: Callable[[], T], patience: float = 2.5, fresh: float = 1.0) -> None:
        self._look, self._patience, self._fresh = look, patience, fresh
        self._running: Future[T] | None = None
        self._ended = 0.0

    async def ask(self) -> T | None:
        """Tell what was seen; None where the look takes longer than `patience` seconds (it goes on by itself)."""
        running = self._running
        if running is None or (running.done() and time.monotonic() - self._ended > self._fresh):
            running = self._running = self._begin()
        waiting = asyncio.wrap_future(running)
        done, _ = await asyncio.wait({waiting}, timeout=self._patience)
        return waiting.result() if done else None

    def _begin(self) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        Thread(target=self._run, args=(future,), name="probe", daemon=True).start()
        return future

    def _run(self, future: Future[T]) -> None:
        try:
            seen = self._look()
        except BaseException as error:  # noqa: BLE001 - whoever asked gets it
            self._ended = time.monotonic()
            future.set_exception(error)
        else:
            self._ended = time.monotonic()
            future.set_result(seen)
