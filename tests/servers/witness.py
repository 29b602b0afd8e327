"""The scripted mail server in a process of its own: what it saw depends on nobody who is killed."""

from __future__ import annotations

import multiprocessing
import ssl
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from tests.local_stack.parts import becomes_true
from tests.servers.journal import Entry, read_journal
from tests.servers.processes import start_process
from tests.servers.script import Script
from tests.servers.smtp import SmtpServer


class Witness:
    """Runs from `with` to `with`'s end. `script` must be picklable; `certificate` is a file with key and chain."""

    def __init__(self, journal: Path, script: Script | None = None, *, certificate: Path | None = None) -> None:
        self._journal = journal
        self._told, other_end = multiprocessing.Pipe()
        self._arguments = (other_end, journal, dict(script or {}), certificate)

    def __enter__(self) -> Self:
        self._process = start_process(_serve, *self._arguments)
        self.port: int = self._told.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._told.send(None)
        self._process.join(10)

    def wait_for(self, count: int, seconds: float = 60) -> bool:
        """Wait until this many messages have come in all."""
        return becomes_true(lambda: len(self.entries) >= count, seconds)

    @property
    def entries(self) -> list[Entry]:
        return read_journal(self._journal)

    @property
    def message_ids(self) -> list[str]:
        return [entry.message_id for entry in self.entries]


def _serve(told: Connection, journal: Path, script: Script, certificate: Path | None) -> None:
    with SmtpServer(script, journal=journal, tls=_tls(certificate)) as server, suppress(EOFError):
        told.send(server.port)
        told.recv()  # until the test is over


def _tls(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
