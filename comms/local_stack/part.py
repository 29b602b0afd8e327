"""One part of the stack, and its process."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from comms.local_stack.keeper import signal_group
from comms.local_stack.log import Log

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


INSIST = 2.0
"""Seconds from the first SIGTERM to the second."""


@dataclass(frozen=True)
class Part:
    """What to run, after what, and how to see that it is ready. Without such a sign it is a step: it has to exit 0."""

    name: str
    command: Sequence[str]
    needs: tuple[str, ...] = ()
    ready: Callable[[], bool] | None = None
    says: str | None = None
    """A pattern, found in a line that it prints when it is ready."""
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 90.0
    """Seconds until it must be ready."""
    grace: float = 5.0
    """Seconds from SIGTERM to SIGKILL."""
    unlogged: str | None = None
    """A pattern: lines that it is found in name people or say nothing new, and stay out of the log."""

    @property
    def is_step(self) -> bool:
        return self.ready is None and self.says is None


def dies_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn` that has Linux kill the child with its parent. The keeper is there for its grandchildren."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of orphaned grandchildren (Linux): containers often have nobody else who waits for them."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


class Running:
    """A started part: a process that leads a session of its own. Start it in the main thread only (PDEATHSIG)."""

    def __init__(self, part: Part, environment: Mapping[str, str], folder: Path, log: Log) -> None:
        self.part = part
        self.began = time.monotonic()
        self.is_ready = False
        self._said = False
        self.process = subprocess.Popen(
            part.command, env={**environment, **part.environment}, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True, preexec_fn=dies_with_parent(),
        )  # fmt: skip
        assert self.process.stdout is not None
        self._output = threading.Thread(target=self._copy, args=(log, self.process.stdout), daemon=True)
        self._output.start()

    @property
    def group(self) -> int:
        return self.process.pid

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def look(self) -> bool:
        """Note whether it is ready by now, and say so."""
        if not self.is_ready:
            self.is_ready = self._shows()
        return self.is_ready

    def _shows(self) -> bool:
        if self.part.is_step:
            return self.process.poll() == 0
        return self._said if self.part.ready is None else self.part.ready()

    def _copy(self, log: Log, stream: IO[str]) -> None:
        """Write its output to the log, line by line, until it ends."""
        part = self.part
        with stream:
            for line in stream:
                self._said |= part.says is not None and bool(re.search(part.says, line))
                if part.unlogged is None or not re.search(part.unlogged, line):
                    log.write(part.name, line)

    def is_too_late(self) -> bool:
        return not self.is_ready and time.monotonic() - self.began > self.part.patience

    def stop(self, hurry: Callable[[], bool]) -> None:
        """SIGTERM to the process and its children at once; SIGKILL to what is still there after its grace.

        The process is asked a second time: a Prefect worker waits for ever for children that ended by themselves.
        """
        began = time.monotonic()
        signal_group(self.group, signal.SIGTERM)
        self._wait(self._has_nobody, began + min(INSIST, self.part.grace), hurry)
        if not self.has_ended():
            os.kill(self.process.pid, signal.SIGTERM)
        self._wait(self._has_nobody, began + self.part.grace, hurry)
        signal_group(self.group, signal.SIGKILL)
        self._wait(self._has_nobody, time.monotonic() + 2, lambda: False)
        self._output.join(timeout=1)

    def _has_nobody(self) -> bool:
        return self.has_ended() and not (_reap(self.group) or signal_group(self.group, 0))

    def _wait(self, until: Callable[[], bool], deadline: float, hurry: Callable[[], bool]) -> None:
        while not until() and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)


def _reap(group: int) -> bool:
    """Take note of a child's end; of a grandchild's too, in a process that called `adopt_orphans`."""
    try:
        return os.waitpid(-group, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
