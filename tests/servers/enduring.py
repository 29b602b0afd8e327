"""Parts of the service that run until SIGTERM, in processes that are started in milliseconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from comms.cli import main
from comms.cli.run import stop_on_signals
from comms.local_stack.ports import HOST


def serve(port: str) -> None:
    """The API, with the command line of the image."""
    import uvicorn

    options = ["--no-access-log", "--timeout-graceful-shutdown", "25"]
    sys.argv = ["uvicorn", "api.app:app", "--host", HOST, "--port", port, *options]
    uvicorn.main()


def work(*_nothing: str) -> None:
    """What a Prefect worker's runs do, one after the other: send what is due."""
    from comms.bootstrap.whole_jobs import run_send_queue

    stop = stop_on_signals()
    while not stop.wait(0.2):
        run_send_queue(limit=50, stop=stop)


def command(*arguments: str) -> None:
    """`comms ARGUMENTS…`"""
    sys.argv = ["comms", *arguments]
    main()


class Part:
    """One of them: may be ended and started again, any number of times."""

    def __init__(
        self, program: Callable[..., None], *arguments: str, environment: Mapping[str, str], log: Path
    ) -> None:
        self._target = (program, arguments, dict(environment), str(log))
        self._log = log
        self.is_ready: Callable[[], bool] = log.exists
        self._process: BaseProcess | None = None

    def start(self) -> None:
        self._log.unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "api.building", "comms.bootstrap.whole_jobs"])
        self._process = context.Process(target=_run, args=self._target, daemon=True)
        self._process.start()

    def says(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def end(self) -> int | None:
        """SIGTERM; the exit code, None if it did not end in half a minute."""
        assert self._process is not None
        self._process.terminate()
        self._process.join(30)
        return self._process.exitcode

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _run(program: Callable[..., None], arguments: tuple[str, ...], environment: dict[str, str], log: str) -> None:
    os.environ.update(environment)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    program(*arguments)
