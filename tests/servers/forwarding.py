"""A door to another server: closed, nobody answers behind it; open, it hears everything that clients say."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from comms.local_stack.ports import HOST


class Door:
    """Forwards connections to `HOST:target` while it is open; a context that closes it in the end."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.heard = bytearray()
        self._server: socket.socket | None = None
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.close()

    def open(self) -> None:
        self._server = socket.create_server((HOST, self.port))
        threading.Thread(target=self._serve, args=(self._server,), daemon=True).start()

    def _serve(self, server: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = server.accept()
                far = socket.create_connection((HOST, self._target))
                for way in ((near, far, self.heard), (far, near, bytearray())):
                    threading.Thread(target=_pipe, args=way, daemon=True).start()


def _pipe(source: socket.socket, sink: socket.socket, heard: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            heard += data
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
