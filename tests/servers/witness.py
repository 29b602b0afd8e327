"""The scripted mail server in a process of its own: what it saw depends on nobody who is killed."""

from __future__ import annotations

import multiprocessing
import ssl
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from tests.servers.journal import Entry, read_journal
from tests.servers.processes import start_process
from tests.servers.script import Script, Session
from tests.servers.smtp import SmtpServer


class Witness:
    """Runs from `with` to `with`'s end. `script` must be picklable; `certificate` is a file with key and chain."""

    def __init__(self, journal: Path, script: Script | None = None, *, certificate: Path | None = None) -> None:
        self._journal = journal
        self._told, other_end = multiprocessing.Pipe()
        self._arguments = (other_end, journal, dict(script or {}), certificate)
        self._seen = 0

    def __enter__(self) -> Self:
        self._process = start_process(_serve, *self._arguments)
        self.port: int = self._told.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._told.send(None)
        self._process.join(10)

    def wait_for(self, count: int, seconds: float = 60) -> bool:
        """Wait until this many messages have come in all."""
        deadline = time.monotonic() + seconds
        while self._seen < count:
            if not self._told.poll(max(0, deadline - time.monotonic())):
                return False
            self._seen = self._told.recv()
        return True

    @property
    def entries(self) -> list[Entry]:
        return read_journal(self._journal)

    @property
    def message_ids(self) -> list[str]:
        return [entry.message_id for entry in self.entries]


class _Telling(SmtpServer):
    """Tells the test after each message how many there are."""

    def __init__(self, told: Connection, script: Script, **options: Any) -> None:
        super().__init__(script, **options)
        self._told, self._one_at_a_time = told, threading.Lock()

    def keep(self, session: Session, content: bytes) -> None:
        super().keep(session, content)
        with self._one_at_a_time, suppress(OSError):
            self._told.send(len(self.received))


def _serve(told: Connection, journal: Path, script: Script, certificate: Path | None) -> None:
    with _Telling(told, script, journal=journal, tls=_tls(certificate)) as server, suppress(EOFError):
        told.send(server.port)
        told.recv()  # until the test is over


def _tls(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
