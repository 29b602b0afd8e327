"""One conversation of the scripted mail server, phase after phase."""

from __future__ import annotations

import base64
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.servers.peers import kill_peer, kill_peer_soon
from tests.servers.script import Behaviour, Drip, Drop, Hang, Kill, KillSoon, Session

if TYPE_CHECKING:
    from tests.servers.smtp import SmtpServer


class _Over(Exception):
    """The conversation ends here."""


class Conversation:
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
        behaviour = behaviour(self._session) if callable(behaviour) else behaviour
        if isinstance(behaviour, KillSoon):
            kill_peer_soon(self._socket, behaviour.seconds)
            return None
        return behaviour

    def _do(self, behaviour: Behaviour) -> str:
        match behaviour:
            case Hang(first):
                self._write(first)
                self._server.hang()
                raise _Over
            case Drop(first):
                self._write(first)
                raise _Over
            case Kill(first):
                kill_peer(self._socket, first)
                raise _Over
            case Drip(reply, seconds):
                self._drip(_line(reply), seconds)
                return reply[:3]
            case bytes():
                self._write(behaviour)
                return behaviour[:3].decode("ascii", "replace")
        self._write(_line(str(behaviour)))
        return str(behaviour)[:3]

    def _drip(self, data: bytes, seconds: float) -> None:
        for byte in data:
            self._write(bytes([byte]))
            if self._server.hang_for(seconds):
                raise _Over

    def _write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _on_ehlo(self, _line: str) -> None:
        offers = [*self._server.offers]
        if self._server.tls and not self._session.tls:
            offers.append("STARTTLS")
        if self._server.users:
            offers.append("AUTH PLAIN LOGIN")
        names = ["mail.test", *offers]
        self._say("ehlo", "\n".join(f"250{'-' if n < len(names) else ' '}{name}" for n, name in enumerate(names, 1)))

    def _on_starttls(self, _line: str) -> None:
        if self._say("starttls", "220 2.0.0 go ahead") == "220" and self._server.tls:
            self._socket = self._server.encrypt(self._socket, self._session)
            self._file = self._socket.makefile("rb")

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
        self._server.keep(self._session, b"".join(lines))
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


def _line(reply: str) -> bytes:
    return reply.replace("\n", "\r\n").encode() + b"\r\n"
