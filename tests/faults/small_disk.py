"""A PostgreSQL on a disk of its own, of some megabytes, that can be filled and freed; nothing of it outlives it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.local_stack.parts import becomes_true
from tests.servers.postgres import Postgres, answers
from tests.servers.processes import dies_with_parent

MEGABYTES = 64
_SMALL = ["-c", "max_wal_size=4MB", "-c", "min_wal_size=2MB", "-c", "shared_buffers=8MB"]


class PostgresOnSmallDisk(Postgres):
    """A tmpfs in a mount namespace of the server; started again whenever it ends, as a service manager does."""

    def _lay_out(self) -> None:
        self._data.mkdir()

    def start(self) -> None:
        disk = f"mount -t tmpfs -o size={MEGABYTES}m,mode=0700 tmpfs {self._data}"
        again = f"while :; do {shlex.join([*self._command(), *_SMALL])}; sleep 0.1; done"
        script = f"{disk} && {shlex.join(self._initdb('--wal-segsize', '1'))} && {again}"
        with self._log.open("ab") as out:
            self._server = subprocess.Popen(
                ["unshare", "--mount", "--map-root-user", "sh", "-c", script], stdout=out, stderr=out,
                start_new_session=True, preexec_fn=dies_with_parent(),
            )  # fmt: skip
        assert becomes_true(lambda: answers(self.url), 120), self._log.read_text()[-2000:]

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        postmaster = int((self._inside / "postmaster.pid").read_text().split()[0])
        self._server.kill()
        self._server.wait(timeout=60)
        with suppress(ProcessLookupError):
            os.kill(postmaster, how)

    @property
    def _inside(self) -> Path:
        """The disk as this process can see it."""
        return Path(f"/proc/{self._server.pid}/root{self._data}")

    def fill(self) -> None:
        """Leave not a byte."""
        with (self._inside / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(b"\0" * 4096)
        assert not os.statvfs(self._inside).f_bavail

    def free(self) -> None:
        (self._inside / "ballast").unlink()
