"""Child processes of the tests: they die with the tests, even after kill -9, and tell what they said if they fail."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

PR_SET_PDEATHSIG = 1


def dies_with_parent(how: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """A `preexec_fn` that ends the child when the parent ends; only Linux can."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, how)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_other_user() -> list[str]:
    """PostgreSQL refuses to run as root; a user namespace of its own helps."""
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []


WORTH_IMPORTING_ONCE = ["tests.servers.sender", "tests.servers.witness", "tests.servers.commands"]
"""Only the first list counts in a test process, so that everybody's stands here."""


def start_process(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start it in milliseconds, from a server process that has everything imported; it ends with the tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(WORTH_IMPORTING_ONCE)
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process
