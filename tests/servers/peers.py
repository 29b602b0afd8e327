"""Whose end of a connection it is: for a server that ends its client. Linux only."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LOCAL, _REMOTE, _INODE = 1, 2, 9
"""Columns of /proc/net/tcp."""


def kill_peer(sock: socket.socket, last_words: bytes = b"") -> None:
    """End the process at the other end with SIGKILL. It is stopped first, so that it cannot read the last words."""
    pid = _peer(sock)
    os.kill(pid, signal.SIGSTOP)
    sock.sendall(last_words)
    os.kill(pid, signal.SIGKILL)


def kill_peer_soon(sock: socket.socket, seconds: float) -> None:
    """End it after so many seconds, whatever it does by then."""
    timer = threading.Timer(seconds, _kill_if_there, [_peer(sock)])
    timer.daemon = True
    timer.start()


def _kill_if_there(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _peer(sock: socket.socket) -> int:
    return _owner(_inode(*sock.getpeername()[:2], *sock.getsockname()[:2]))


def _inode(host: str, port: int, to_host: str, to_port: int) -> str:
    ends = _written(host, port), _written(to_host, to_port)
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = row.split()
        if (columns[_LOCAL], columns[_REMOTE]) == ends:
            return columns[_INODE]
    raise ProcessLookupError(f"nobody holds port {port}")


def _written(host: str, port: int) -> str:
    return f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"


def _owner(inode: str) -> int:
    for pid in _processes():
        with suppress(OSError):  # it ended meanwhile, or is not ours
            for open_file in os.scandir(f"/proc/{pid}/fd"):
                if os.readlink(open_file.path) == f"socket:[{inode}]":
                    return pid
    raise ProcessLookupError(f"nobody holds socket {inode}")


def _processes() -> Iterator[int]:
    """The youngest first: it is more likely one of them."""
    yield from sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)
