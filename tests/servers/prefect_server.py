"""A real Prefect server, started as `comms up` starts it, that can be killed and started again at the same place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from comms.local_stack.ports import HOST, free_port
from comms.local_stack.probe import is_healthy
from tests.local_stack.parts import becomes_true
from tests.servers.processes import dies_with_parent

_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_SERVER_LEVEL": "ERROR"}


class PrefectServer:
    """`home` keeps its database and its log over every restart; `url` is that of its API; `more` are variables."""

    def __init__(self, home: Path, **more: str) -> None:
        self.home, self.port, self._more = home, free_port(), more
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://{HOST}:{self.port}/api"
        self.start()

    def start(self) -> None:
        """Return once it answers; one that runs goes on."""
        if self._process and self._process.poll() is None:
            return
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "comms.local_stack.prefect_server", str(self.port)],
                env=inherited | _QUIET | {"PREFECT_HOME": str(self.home)} | self._more,
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(),
            )
        assert becomes_true(lambda: is_healthy(f"{self.url}/health"), 300, every=0.2), (self.home / "log").read_text()

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        assert self._process
        self._process.terminate()
        self._process.wait(timeout=30)
