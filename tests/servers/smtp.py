"""A mail server on loopback that keeps what it is given, as a witness, and misbehaves at every phase as it is told."""

from __future__ import annotations

import base64
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from types import TracebackType
from typing import Self

OFFERS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10485760")


@dataclass(frozen=True)
class Drop:
    """Close the connection, after `first` was written."""

    first: bytes = b""


@dataclass(frozen=True)
class Hang:
    """Say nothing until the test is over."""


Behaviour = str | bytes | Drop | Hang | None
"""A reply line, raw bytes, a misbehaviour, or None for what a good server says."""
Script = Mapping[str, Behaviour | Callable[["Session"], Behaviour]]
"""By phase: greeting, ehlo, starttls, auth, mail, rcpt, data, content (in place of keeping it), kept, rset, quit."""


@dataclass(frozen=True)
class Received:
    """One message that was ended by its dot."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    secure: bool
    login: str | None

    @property
    def message_id(self) -> str:
        return str(BytesHeaderParser().parsebytes(self.content)["Message-ID"])


@dataclass
class Session:
    """One connection, as the scripts see it."""

    number: int
    messages: int = 0
    line: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    secure: bool = False
    login: str | None = None


class SmtpServer:
    """Runs from `with` to `with`'s end. `journal` is a file that gets each Message-ID, synced, before the reply."""

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

    def keep(self, message: Received) -> None:
        if self._journal:
            with self._journal.open("a") as journal:
                journal.write(message.message_id + "\n")
                journal.flush()
                os.fsync(journal.fileno())
        with self._changed:
            self.received.append(message)
            self._changed.notify_all()

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
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._last = sock
            session = Session(number=len(self.sessions) + 1)
            self.sessions.append(session)
            threading.Thread(target=self._serve, args=(sock, session), daemon=True).start()

    def _serve(self, sock: socket.socket, session: Session) -> None:
        self._open.add(sock)
        try:
            if self.implicit_tls and self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
                session.secure = True
                self._open.add(sock)
            _Conversation(self, sock, session).hold()
        except (OSError, ValueError):
            pass
        finally:
            with suppress(OSError):
                sock.close()


class _Over(Exception):
    """The conversation ends here."""


class _Conversation:
    def __init__(self, server: SmtpServer, sock: socket.socket, session: Session) -> None:
        self._server, self._socket, self._session = server, sock, session
        self._file = sock.makefile("rb")

    def hold(self) -> None:
        with suppress(_Over):
            self._say("greeting", "220 mail.test ESMTP")
            while line := self._file.readline():
                self._session.line = line.decode("utf-8", "replace").rstrip("\r\n")
                self._server.commands.append(self._session.line)
                self._obey(self._session.line)

    def _obey(self, line: str) -> None:
        verb = line.split(" ")[0].upper()
        method = getattr(self, f"_on_{verb.lower()}", None)
        if method is None:
            self._write(b"502 5.5.1 unknown command\r\n")
        else:
            method(line)

    def _say(self, phase: str, usual: str) -> str:
        """Do what the script says of this phase, else the usual; return the reply's code."""
        return self._do(self._scripted(phase) or usual)

    def _scripted(self, phase: str) -> Behaviour:
        behaviour = self._server.script.get(phase)
        return behaviour(self._session) if callable(behaviour) else behaviour

    def _do(self, behaviour: str | bytes | Drop | Hang) -> str:
        if isinstance(behaviour, Hang):
            self._server.hang()
            raise _Over
        if isinstance(behaviour, Drop):
            self._write(behaviour.first)
            raise _Over
        if isinstance(behaviour, bytes):
            self._write(behaviour)
            return behaviour[:3].decode("ascii", "replace")
        self._write(behaviour.replace("\n", "\r\n").encode() + b"\r\n")
        return behaviour[:3]

    def _write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _on_ehlo(self, _line: str) -> None:
        offers = [*self._server.offers]
        if self._server.tls and not self._session.secure:
            offers.append("STARTTLS")
        if self._server.users:
            offers.append("AUTH PLAIN LOGIN")
        names = ["mail.test", *offers]
        self._say("ehlo", "\n".join(f"250{'-' if n < len(names) else ' '}{name}" for n, name in enumerate(names, 1)))

    def _on_starttls(self, _line: str) -> None:
        if self._say("starttls", "220 2.0.0 go ahead") == "220" and self._server.tls:
            self._socket = self._server.tls.wrap_socket(self._socket, server_side=True)
            self._server._open.add(self._socket)
            self._file = self._socket.makefile("rb")
            self._session.secure = True

    def _on_auth(self, line: str) -> None:
        if "auth" in self._server.script:
            self._say("auth", "")
            return
        _, way, *first = line.split(" ")
        if way == "PLAIN":
            _, name, password = base64.b64decode(first[0]).decode().split("\0")
        else:
            name, password = self._prompt("VXNlcm5hbWU6"), self._prompt("UGFzc3dvcmQ6")
        good = self._server.users.get(name) == password
        self._session.login = name if good else None
        self._write(b"235 2.7.0 welcome\r\n" if good else b"535 5.7.8 wrong\r\n")

    def _prompt(self, word: str) -> str:
        self._write(f"334 {word}\r\n".encode())
        return base64.b64decode(self._file.readline()).decode()

    def _on_mail(self, line: str) -> None:
        self._session.sender = _address(line)
        self._session.recipients = []
        if not self._say("mail", "250 2.1.0 ok").startswith("2"):
            self._session.sender = ""

    def _on_rcpt(self, line: str) -> None:
        if not self._session.sender:
            self._write(b"503 5.5.1 need MAIL first\r\n")
        elif self._say("rcpt", "250 2.1.5 ok").startswith("2"):
            self._session.recipients.append(_address(line))

    def _on_data(self, _line: str) -> None:
        if not self._session.recipients and "data" not in self._server.script:
            self._write(b"554 5.5.1 no valid recipients\r\n")
            return
        if self._say("data", "354 go on") == "354":
            self._take_content()

    def _take_content(self) -> None:
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                raise _Over
            lines.append(line[1:] if line.startswith(b".") else line)
        self._session.messages += 1
        refusal = self._scripted("content")
        if refusal is not None:
            self._do(refusal)
            return
        self._server.keep(
            Received(
                self._session.sender,
                tuple(self._session.recipients),
                b"".join(lines),
                self._session.secure,
                self._session.login,
            )
        )
        self._say("kept", "250 2.0.0 taken")

    def _on_rset(self, _line: str) -> None:
        self._session.sender, self._session.recipients = "", []
        self._say("rset", "250 2.0.0 forgotten")

    def _on_quit(self, _line: str) -> None:
        self._say("quit", "221 2.0.0 bye")
        raise _Over


def _address(line: str) -> str:
    found = re.search(r"<(.*?)>", line)
    return found[1] if found else ""
