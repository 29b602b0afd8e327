"""Commands in processes of their own, started in milliseconds: a server process has everything imported already."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from comms.cli import main


def start_command(arguments: list[str], environment: dict[str, str], output: Path) -> BaseProcess:
    """Start `comms ARGUMENTS…` with these variables added; standard output and errors go to `output`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "comms.bootstrap.whole_jobs"])
    process = context.Process(target=_run, args=(arguments, environment, str(output)), daemon=True)
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], output: str) -> None:
    os.environ.update(environment)
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["comms", *arguments]
    main()
