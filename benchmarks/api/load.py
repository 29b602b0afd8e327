"""Load on an HTTP server: clients that keep their connections, each sends its next request when it has the answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

CLIENTS = 8
_unique: Iterator[int] = count(1)


class Load:
    """Sends one request over and over; `{n}` in it becomes a number that no other request has."""

    def __init__(self, url: str, method: str, path: str, key: str = "", body: str = "") -> None:
        host, port = url.removeprefix("http://").split(":")
        self._address, self._body = (host, int(port)), body
        headers = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}"]
        headers += ["Content-Type: application/json", "Content-Length: {length}"] if body else []
        self._head = "\r\n".join(headers) + "\r\n\r\n"

    def per_second(self, requests: int) -> float:
        """Send this many in all; return how many were answered in a second."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            began = time.perf_counter()
            for done in [clients.submit(self._send, requests // CLIENTS) for _ in range(CLIENTS)]:
                done.result()
            return requests / (time.perf_counter() - began)

    def answer(self) -> bytes:
        """Send one, and return the body of the answer."""
        with socket.create_connection(self._address) as connection:
            return self._ask(connection)

    def _send(self, requests: int) -> None:
        with socket.create_connection(self._address) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(requests):
                self._ask(connection)

    def _ask(self, connection: socket.socket) -> bytes:
        body = self._body.replace("{n}", str(next(_unique))).encode()
        connection.sendall(self._head.replace("{length}", str(len(body))).encode() + body)
        read = connection.recv(1 << 20)
        while b"\r\n\r\n" not in read:
            read += _more(connection, read)
        head, _, content = read.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), read[:500]
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(content) < length:
            content += _more(connection, content)
        return content


def _more(connection: socket.socket, read: bytes) -> bytes:
    part = connection.recv(1 << 20)
    if not part:
        raise ConnectionError(read[:200])
    return part
