"""The services of a compose file as processes: the very command and environment of each, with other hosts and ports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployments import dockerfile
from tests.local_stack.parts import becomes_true
from tests.servers.postgres import binaries_of_server
from tests.servers.processes import dies_with_parent

IMAGE = dockerfile.stages()[-1].environment()
PATIENCE = 240
"""Seconds until a service must be well: it only bounds what hangs."""


@dataclass(frozen=True)
class Machine:
    """`places` maps patterns to what stands here in their place: host names, ports, folders."""

    folder: Path
    places: Mapping[str, str]

    def here(self, text: str, home: Path) -> str:
        places = {**self.places, "/var/lib/comms": str(home), "/var/lib/prefect": str(home / "prefect")}
        for pattern, place in places.items():
            text = re.sub(pattern, place, text)
        return text


class Container:
    """One service. Its root file system is the machine's, its folders are its own."""

    def __init__(self, name: str, service: Mapping[str, Any], machine: Machine) -> None:
        self.name, self._service, self._machine = name, service, machine
        self._home = machine.folder / name
        self._home.mkdir()
        self.log = machine.folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """That of the image, then that of the service; a name without a value is not set."""
        given = {**IMAGE, **{name: value for name, value in self._service["environment"].items() if value is not None}}
        here = {name: self._machine.here(value, self._home) for name, value in given.items()}
        programs = [str(Path(sys.executable).parent), str(binaries_of_server()), os.environ["PATH"]]
        return here | {"PATH": os.pathsep.join(programs)}

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(self._service["command"]), env=self.environment, cwd=self._home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=dies_with_parent(),
            )  # fmt: skip

    def execute(self, *command: str) -> str:
        """Run a command beside it, as `docker compose exec` does."""
        return subprocess.run(
            self._command(command), env=self.environment, cwd=self._home, check=True, text=True, capture_output=True
        ).stdout

    def wait_until(self, condition: str) -> None:
        """Wait for what another service needs of this one: that it is healthy, or that it is done."""
        reached = {"service_healthy": self._is_healthy, "service_completed_successfully": self._is_done}[condition]
        assert becomes_true(lambda: reached() or self._failed(), PATIENCE, every=0.5), f"{self.name}: {self._said()}"
        assert not self._failed(), f"{self.name}: {self._said()}"

    def stop(self) -> int:
        """SIGTERM to the process alone; returns how it ended, within its grace period."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(int(self._service["stop_grace_period"].removesuffix("s")))

    def remove(self) -> None:
        """End whatever lives in it: a container takes its flow runs along, which lead sessions of their own."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if process.joinpath("cwd").readlink().is_relative_to(self._home):
                    os.kill(int(process.name), signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _command(self, command: Sequence[str]) -> list[str]:
        return [self._machine.here(word, self._home) for word in command]

    def _is_healthy(self) -> bool:
        asked, *test = self._service["healthcheck"]["test"]
        assert asked == "CMD"
        return subprocess.run(self._command(test), env=self.environment, capture_output=True).returncode == 0

    def _is_done(self) -> bool:
        return self._process is not None and self._process.poll() == 0

    def _failed(self) -> bool:
        return self._process is not None and bool(self._process.poll())

    def _said(self) -> str:
        return self.log.read_text()[-3000:]
