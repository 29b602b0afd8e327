"""The API as operators start it: `uvicorn api.app:app` in a process of its own, with its log in a file."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from comms.local_stack.ports import HOST
from comms.local_stack.probe import is_healthy
from tests.local_stack.parts import becomes_true
from tests.servers.processes import dies_with_parent, free_port

COMMAND = (sys.executable, "-m", "uvicorn", "api.app:app", "--host", HOST)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def refuses(self) -> bool:
        """Say whether nobody listens any more."""
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False


@contextmanager
def uvicorn_server(folder: Path, database_url: str, *options: str, port: int | None = None) -> Iterator[Server]:
    """Start it in `folder` on this database and wait until it answers; what it says goes to `server.log` there."""
    port = port or free_port()
    environment = {**os.environ, "DATABASE_URL": database_url, "COMMS_HOME": str(folder), "PYTHONPATH": str(Path.cwd())}
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*COMMAND, "--port", str(port), *options], env=environment, cwd=folder, stdout=output,
            stderr=subprocess.STDOUT, preexec_fn=dies_with_parent(),
        )  # fmt: skip
    try:
        assert becomes_true(lambda: process.poll() is not None or is_healthy(f"http://{HOST}:{port}/healthz"), 90)
        assert process.poll() is None, log.read_text()
        yield Server(process, port, log)
    finally:
        process.kill()
        process.wait()
