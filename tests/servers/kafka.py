"""A Kafka-compatible broker of its own on loopback: in memory, gone with the test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from comms.local_stack.broker import broker_command
from comms.local_stack.ports import HOST, answers, free_port
from tests.local_stack.parts import becomes_true


class Broker:
    """Can be cut off and come back, with what it held (SIGSTOP), or without (killed)."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        command = broker_command(self.port)
        assert command, "there is no broker binary for this platform"
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert becomes_true(lambda: answers(self.port), 20), "the broker does not answer"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps what it has and answers nobody."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


@contextmanager
def broker() -> Iterator[Broker]:
    made = Broker()
    made.start()
    try:
        yield made
    finally:
        made.kill()
