"""Bytes to and from the relay, with a deadline for every step and a limit to what is read."""

from __future__ import annotations

import re
import socket
import ssl
import time
from dataclasses import dataclass

from comms.rules.replies import Fault, Phase, Reply, read_enhanced, read_word

MAX_LINE = 4096
"""Longest reply line in bytes; RFC 5321 4.5.3.1.5 allows 512, some servers say more."""
MAX_LINES = 100
CHUNK = 65_536

_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])(.*))?", re.DOTALL)


class Broken(Exception):
    """The conversation cannot go on; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True)
class Answer:
    """One reply of the server, all its lines; `lines` stay inside this package."""

    code: int
    lines: tuple[str, ...]

    def to_reply(self, phase: Phase) -> Reply:
        """Keep codes and at most a word."""
        text = " ".join(self.lines)
        return Reply(phase, self.code, read_enhanced(self.code, self.lines[0]), read_word(self.code, text))


class Wire:
    """A socket that speaks lines. Every call raises Broken, with the fault, and nothing else."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def secure(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket)

    def own_address(self) -> str:
        """This end as an address literal: a name for EHLO that is always true (RFC 5321 4.1.3)."""
        host: str = self._socket.getsockname()[0]
        return f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    def send(self, data: bytes, seconds: float) -> None:
        """Write all of it within `seconds`, however slowly the other side reads."""
        deadline = time.monotonic() + seconds
        view = memoryview(data)
        try:
            while view:
                self._wait_until(deadline)
                view = view[self._socket.send(view[:CHUNK]) :]
        except TimeoutError:
            raise Broken(Fault.TIMEOUT) from None
        except OSError:
            raise Broken(Fault.CLOSED) from None

    def answer(self, seconds: float) -> Answer:
        """Read one whole reply within `seconds`, however slowly it drips."""
        deadline = time.monotonic() + seconds
        lines: list[str] = []
        code = 0
        while len(lines) < MAX_LINES:
            found = _LINE.fullmatch(self._line(deadline))
            if not found or (lines and int(found[1]) != code):
                raise Broken(Fault.GARBAGE)
            code = int(found[1])
            lines.append((found[3] or b"").decode("utf-8", "replace"))
            if found[2] != b"-":
                return Answer(code, tuple(lines))
        raise Broken(Fault.GARBAGE)

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise Broken(Fault.GARBAGE)
            self._buffer += self._receive(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if len(line) > MAX_LINE:
            raise Broken(Fault.GARBAGE)
        return line.removesuffix(b"\r")

    def _receive(self, deadline: float) -> bytes:
        try:
            self._wait_until(deadline)
            data = self._socket.recv(CHUNK)
        except TimeoutError:
            raise Broken(Fault.TIMEOUT) from None
        except OSError:
            raise Broken(Fault.CLOSED) from None
        if not data:
            raise Broken(Fault.CLOSED)
        return data

    def has_spoken(self) -> bool:
        """Tell whether something has come that nobody has read, without waiting for it."""
        if self._buffer:
            return True
        self._socket.settimeout(0)
        try:
            data = self._socket.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            raise Broken(Fault.CLOSED) from None
        if not data:
            raise Broken(Fault.CLOSED)
        self._buffer += data
        return True

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def encrypt(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Turn on TLS, certificate and name verified. What came in clear before it is refused (CVE-2011-0411)."""
        if self._buffer:
            raise Broken(Fault.INJECTED)
        self._socket.settimeout(seconds)
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except (ssl.SSLCertVerificationError, ssl.CertificateError):
            raise Broken(Fault.CERTIFICATE) from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
            raise Broken(Fault.CLOSED) from None
        except TimeoutError:
            raise Broken(Fault.TIMEOUT) from None
        except (OSError, ValueError):
            raise Broken(Fault.TLS_FAILED) from None

    def close(self) -> None:
        """Forget the socket; never raises."""
        try:
            self._socket.close()
        except OSError:
            return


def dial(host: str, port: int, seconds: float) -> Wire:
    """Open a connection; Broken says whether the name, the way or the port was the trouble."""
    try:
        return Wire(socket.create_connection((host, port), timeout=seconds))
    except (socket.gaierror, UnicodeError):
        raise Broken(Fault.DNS) from None
    except TimeoutError:
        raise Broken(Fault.TIMEOUT) from None
    except ConnectionRefusedError:
        raise Broken(Fault.REFUSED) from None
    except OSError:
        raise Broken(Fault.UNREACHABLE) from None
