"""Commands in processes of their own, started in milliseconds: a server process has everything imported already."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import time_machine

import comms.bootstrap.whole_jobs  # noqa: F401 - what commands import only when they run
from comms.cli import main
from tests.servers.processes import start_process


def start_command(
    arguments: list[str], environment: dict[str, str], output: Path, *, clock_ahead: timedelta = timedelta(0)
) -> BaseProcess:
    """Start `comms ARGUMENTS…` with these variables added; standard output and errors go to `output`.

    `clock_ahead` is how far this process's own clock is ahead of the machine's.
    """
    return start_process(_run, arguments, environment, str(output), clock_ahead)


def _run(arguments: list[str], environment: dict[str, str], output: str, clock_ahead: timedelta) -> None:
    if clock_ahead:
        time_machine.travel(datetime.now(UTC) + clock_ahead).start()
    os.environ.update(environment)
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["comms", *arguments]
    main()
