"""A piece of work for a thread, and the answer for which an event loop waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any


class Errand:
    """Made where the answer is awaited, done elsewhere, with the context variables of whoever asked."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.begun = self.ended = False
        self.late = False
        """Whether its answer should wait for no other."""
        self._context, self._work = copy_context(), work
        self.fail(RuntimeError("it was not done"))

    def do(self) -> None:
        """Raises nothing; done once more it forgets what came of it before. Nothing is done for whoever has gone."""
        self.begun = True
        if self.answer.cancelled():
            return
        try:
            self._found = partial(self.answer.set_result, self._context.run(self._work))
        except BaseException as error:  # noqa: BLE001 - whoever asked gets it
            self.fail(error)
        self.ended = True

    def fail(self, error: BaseException) -> None:
        if isinstance(error, StopIteration):
            error = RuntimeError("it was at an end")  # asyncio takes no other
        self._found = partial(self.answer.set_exception, error)

    def tell(self) -> None:
        """Answer; in the event loop of whoever asked, who may have gone."""
        if not self.answer.done():
            self._found()


def tell(errands: Sequence[Errand]) -> None:
    """Answer all of these, from any thread; wakes each event loop once, and none that was closed."""
    for loop in {errand.answer.get_loop() for errand in errands}:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell_here, [one for one in errands if one.answer.get_loop() is loop])


def _tell_here(errands: Sequence[Errand]) -> None:
    for errand in errands:
        errand.tell()
