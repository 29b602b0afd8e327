"""Starts the parts in order, keeps them together, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

from comms.errors import CommsError
from comms.local_stack import keeper
from comms.local_stack.log import Log
from comms.local_stack.part import Part, Running, adopt_orphans

TICK = 0.05
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PartFailed(CommsError):
    """A part did not start, or ended by itself."""

    code = "part_failed"


class StopAsked(CommsError):
    """Ctrl-C, SIGTERM or a closed terminal."""

    code = "stopped"


class Supervisor:
    """A context: everything it started is gone when it is left, whatever happened inside.

    Use it in the main thread. After kill -9 of this process the keeper ends the parts.
    """

    def __init__(self, parts: Sequence[Part], environment: Mapping[str, str], folder: Path, log: Log) -> None:
        self._waiting = list(parts)
        self._environment, self._folder, self._log = environment, folder, log
        self._running: list[Running] = []
        self._asked = 0
        self._wake = threading.Event()
        self.on_ready: Callable[[str], None] = lambda _name: None
        """Told the name of each part that has become ready."""

    def __enter__(self) -> Supervisor:
        adopt_orphans()
        heeded = [what for what in SIGNALS if signal.getsignal(what) is not signal.SIG_IGN]  # nohup stays nohup
        self._before = {what: signal.signal(what, self._ask) for what in heeded}
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        for what, handler in self._before.items():
            signal.signal(what, handler)

    def start(self) -> None:
        """Start each part as soon as those it needs are ready; return when all are. PartFailed, StopAsked."""
        while True:
            self._start_what_can()
            self._check()
            if not self._waiting and all(self.state().values()):
                return
            self.pause(TICK)

    def pause(self, seconds: float) -> None:
        """Let time pass; StopAsked as soon as somebody wants it to end."""
        self._wake.wait(seconds)
        if self._asked:
            raise StopAsked("stopped")

    def run(self) -> None:
        """Watch over the parts until one ends (PartFailed) or somebody wants it to end (StopAsked)."""
        while True:
            self.look_after(0.5)

    def look_after(self, seconds: float) -> None:
        """Let time pass while all is well; PartFailed, StopAsked."""
        self._check()
        self.pause(seconds)

    def add(self, part: Part) -> None:
        """Start one more part and return when it is ready."""
        self._waiting.append(part)
        self.start()

    def state(self) -> dict[str, bool]:
        """Name to readiness, in the order of their start."""
        states = {running.part.name: running.is_ready for running in self._running}
        return states | {part.name: False for part in self._waiting}

    def _start_what_can(self) -> None:
        for running in self._running:
            if not running.is_ready and running.look():
                self.on_ready(running.part.name)
        ready = {running.part.name for running in self._running if running.is_ready}
        for part in [part for part in self._waiting if ready.issuperset(part.needs)]:
            self._waiting.remove(part)
            self._start_one(part)

    def _start_one(self, part: Part) -> None:
        try:
            running = Running(part, self._environment, self._folder, self._log)
        except OSError as error:
            raise PartFailed(f"{part.name}: cannot be started: {error.strerror}: {part.command[0]}") from None
        self._running.append(running)
        self._tell_keeper(f"+{running.group}\n")

    def _check(self) -> None:
        if self._keeper.poll() is not None:
            raise PartFailed("the keeper of the stack was killed; start again")
        for running in self._running:
            part = running.part
            if running.has_ended() and not (part.is_step and running.process.returncode == 0):
                raise PartFailed(self._report(part, f"ended with exit code {running.process.returncode}"))
            if running.is_too_late():
                raise PartFailed(self._report(part, f"was not ready after {part.patience:.0f} s"))

    def _report(self, part: Part, what: str) -> str:
        return "\n".join([f"{part.name}: {what}; the whole log: {self._log.path}", *self._log.tail(part.name)])

    def _stop(self) -> None:
        """In reverse order. A second Ctrl-C skips the waiting."""
        for running in reversed(self._running):
            running.stop(hurry=lambda: self._asked > 1)
            self._log.write("stack", f"{running.part.name} is ended")
            self._tell_keeper(f"-{running.group}\n")
        with suppress(BrokenPipeError):
            self._keeper_ear.close()
        self._keeper.wait(timeout=10)

    @property
    def _keeper_ear(self) -> IO[str]:
        assert self._keeper.stdin is not None
        return self._keeper.stdin

    def _tell_keeper(self, word: str) -> None:
        with suppress(BrokenPipeError):  # killed: `_check` tells
            self._keeper_ear.write(word)
            self._keeper_ear.flush()

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked += 1
        self._wake.set()
