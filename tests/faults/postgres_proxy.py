"""A proxy before PostgreSQL that reads what clients say: it counts COMMITs, and kills, stalls or resets."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum

HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: the other side sees a reset and not an end."""


class When(Enum):
    BEFORE = "before"
    """The server never hears of this COMMIT."""
    AFTER = "after"
    """The server has committed; the client never hears of it."""


class PostgresProxy:
    """Runs from `with` to `with`'s end. `commits` counts those of all connections since the last `arm`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.commits = 0
        self._at = 0
        self._when = When.BEFORE
        self._kill: Callable[[], object] = lambda: None
        self.killed = False
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._links: set[_Link] = set()

    def __enter__(self) -> PostgresProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.go_on()
        self.reset()

    def url(self, database_url: str) -> str:
        """The same database, through this proxy."""
        server, _, name = database_url.rpartition("/")
        return f"{server.rpartition(':')[0]}:{self.port}/{name}".replace("localhost", HOST)

    def arm(self, at: int, when: When, kill: Callable[[], object]) -> None:
        """Call `kill` before or after the COMMIT number `at` from now on; 0: at none."""
        self.commits, self._at, self._when, self._kill, self.killed = 0, at, when, kill, False

    def stall(self) -> None:
        """Keep every connection and forward nothing, until `go_on`."""
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    def reset(self) -> None:
        """Cut every connection with a reset."""
        for link in list(self._links):
            link.reset()

    def on_commit(self) -> When | None:
        """Count one; say whether this is the one to die at. Before it, the victim is dead when this returns."""
        with self._lock:
            self.commits += 1
            if self.commits != self._at:
                return None
        if self._when is When.BEFORE:
            self.die()
        return self._when

    def die(self) -> None:
        self._kill()
        self.killed = True

    def await_flow(self) -> None:
        self._flows.wait()

    def forget(self, link: _Link) -> None:
        self._links.discard(link)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection((HOST, self._target))
                except OSError:
                    near.close()  # the server is away
                    continue
                link = _Link(self, near, far)
                self._links.add(link)
                link.start()


class _Link:
    """One connection of a client, and its connection to the server."""

    def __init__(self, proxy: PostgresProxy, near: socket.socket, far: socket.socket) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._dies_with_answer = False
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        for pump in (self._ask, self._answer):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def reset(self) -> None:
        for sock in (self._near, self._far):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.shutdown(socket.SHUT_RD)
            sock.close()

    def _run(self, pump: Callable[[], None]) -> None:
        with suppress(OSError):
            pump()
        self._proxy.forget(self)
        for sock in (self._near, self._far):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _ask(self) -> None:
        for message in _messages(self._near):
            if _is_commit(message):
                when = self._proxy.on_commit()
                if when is When.BEFORE:
                    return
                self._dies_with_answer = when is When.AFTER
            self._proxy.await_flow()
            self._far.sendall(message)

    def _answer(self) -> None:
        while data := self._far.recv(65536):
            if self._dies_with_answer:
                return self._proxy.die()
            self._proxy.await_flow()
            self._near.sendall(data)
        return None


def _messages(sock: socket.socket) -> Iterator[bytes]:
    """Cut what a client sends into messages: those before the start have no type."""
    buffer, head = b"", 0
    while data := sock.recv(65536):
        buffer += data
        while len(buffer) >= head + 4:
            length = head + int.from_bytes(buffer[head : head + 4])
            if len(buffer) < length:
                break
            message, buffer = buffer[:length], buffer[length:]
            yield message
            if not head and message[4:6] == b"\0\3":  # protocol 3: the start; what comes before asks for encryption
                head = 1


def _is_commit(message: bytes) -> bool:
    return message[:1] == b"Q" and message[5:].rstrip(b"\0; ").upper() == b"COMMIT"
