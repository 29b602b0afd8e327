"""A mail server on loopback that keeps what it is given, as a witness, and misbehaves at every phase as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.journal import Entry, write_entry
from tests.servers.script import Script, Session
from tests.servers.smtp_conversation import Conversation

OFFERS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10485760")


@dataclass(frozen=True)
class Received:
    """One message that was ended by its dot."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    peer: str
    tls: str | None
    login: str | None

    @property
    def message_id(self) -> str:
        return str(BytesHeaderParser().parsebytes(self.content)["Message-ID"])


class SmtpServer:
    """Runs from `with` to `with`'s end. `journal` is a file that gets each message, synced, before the reply."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        offers: tuple[str, ...] = OFFERS,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        users: Mapping[str, str] | None = None,
        journal: Path | None = None,
    ) -> None:
        self.script = dict(script or {})
        self.offers, self.tls, self.implicit_tls, self.users = offers, tls, implicit_tls, dict(users or {})
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.sessions: list[Session] = []
        self._journal = journal
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @property
    def message_ids(self) -> list[str]:
        return [message.message_id for message in list(self.received)]

    def wait_for(self, count: int, seconds: float = 20) -> bool:
        """Wait until this many messages have come in all."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.received) >= count, seconds)

    def keep(self, session: Session, content: bytes) -> None:
        recipients = tuple(session.recipients)
        message = Received(session.sender, recipients, content, session.peer, session.tls, session.login)
        if self._journal:
            write_entry(self._journal, Entry(message.message_id, recipients, session.peer, session.tls))
        with self._changed:
            self.received.append(message)
            self._changed.notify_all()

    def encrypt(self, sock: socket.socket, session: Session) -> socket.socket:
        assert self.tls
        secure = self.tls.wrap_socket(sock, server_side=True)
        session.tls = secure.version()
        self._open.add(secure)
        return secure

    def hang(self) -> None:
        self._over.wait(60)

    def hang_for(self, seconds: float) -> bool:
        """Wait; true once the test is over."""
        return self._over.wait(seconds)

    def write_to_last(self, data: bytes) -> None:
        """Say something on the latest connection, from within a script."""
        with suppress(OSError):
            self._last.sendall(data)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, (host, port) = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._last = sock
            session = Session(len(self.sessions) + 1, f"{host}:{port}")
            self.sessions.append(session)
            threading.Thread(target=self._serve, args=(sock, session), daemon=True).start()

    def _serve(self, sock: socket.socket, session: Session) -> None:
        self._open.add(sock)
        try:
            if self.implicit_tls and self.tls:
                sock = self.encrypt(sock, session)
            Conversation(self, sock, session).hold()
        except (OSError, ValueError):
            pass
        finally:
            with suppress(OSError):
                sock.close()
