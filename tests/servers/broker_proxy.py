"""A proxy before a Kafka broker that reads its protocol: at the n-th request of a kind it harms, cuts or delays."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from comms.local_stack.ports import HOST
from tests.servers.kafka import Broker


class Request(IntEnum):
    """Numbers of Kafka's protocol."""

    PRODUCE = 0
    OFFSET_COMMIT = 8


class When(Enum):
    BEFORE = "before"
    """The broker never gets it."""
    AFTER = "after"
    """The broker has done it, and nobody hears of it."""


@dataclass
class Trap:
    """At the `number`-th request of this kind `act` is called; then the connection breaks, or it goes on."""

    request: Request
    number: int
    when: When
    act: Callable[[], object]
    cuts: bool
    met: threading.Event = field(default_factory=threading.Event)


class BrokerProxy:
    """Runs from `with` to `with`'s end, on a port that its broker calls its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._broker = ProxiedBroker(self.port)
        self._trap: Trap | None = None
        self._seen = 0
        self._lock = threading.Lock()

    @property
    def servers(self) -> str:
        return f"{HOST}:{self.port}"

    def __enter__(self) -> BrokerProxy:
        self._broker.start()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._broker.kill()

    def arm(
        self, request: Request, number: int, when: When, act: Callable[[], object] = lambda: None, *, cuts: bool = True
    ) -> threading.Event:
        """Set one trap, counted from now; the event says that it was met."""
        with self._lock:
            self._trap, self._seen = Trap(request, number, when, act, cuts), 0
            return self._trap.met

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self._broker.port))
                awaited: dict[int, Trap] = {}
                for pump, pair in ((self._requests, (near, far)), (self._responses, (far, near))):
                    threading.Thread(target=_until_broken, args=(pump, *pair, awaited), daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket, awaited: dict[int, Trap]) -> None:
        while frame := _read_frame(near):
            kind, _, correlation = struct.unpack(">hhi", frame[4:12])
            trap = self._met_by(kind)
            if trap and trap.when is When.AFTER:
                awaited[correlation] = trap
            elif trap and _spring(trap):
                return
            far.sendall(frame)

    def _responses(self, far: socket.socket, near: socket.socket, awaited: dict[int, Trap]) -> None:
        while frame := _read_frame(far):
            trap = awaited.pop(struct.unpack(">i", frame[4:8])[0], None)
            if trap and _spring(trap):
                return
            near.sendall(frame)

    def _met_by(self, kind: int) -> Trap | None:
        with self._lock:
            trap = self._trap
            if trap is None or trap.request != kind or trap.met.is_set():
                return None
            self._seen += 1
            return trap if self._seen == trap.number else None


class ProxiedBroker(Broker):
    """The embedded broker, sending its clients to another port than its own."""

    def __init__(self, advertised: int) -> None:
        super().__init__()
        self._advertised = advertised

    def _command(self) -> list[str]:
        command = super()._command()
        place = command.index("--advertised-listener-url") + 1
        return [*command[:place], f"tcp://{HOST}:{self._advertised}", *command[place + 1 :]]


def _spring(trap: Trap) -> bool:
    """Do the harm; return whether the connection breaks."""
    trap.met.set()
    trap.act()
    return trap.cuts


def _until_broken(pump: Callable[..., None], one: socket.socket, other: socket.socket, *args: object) -> None:
    try:
        with suppress(OSError):
            pump(one, other, *args)
    finally:
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _read_frame(source: socket.socket) -> bytes | None:
    """One request or response with its size before it; None at the end."""
    size = _read(source, 4)
    rest = _read(source, struct.unpack(">i", size)[0]) if size else None
    return size + rest if size and rest else None


def _read(source: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            return None
        data += more
    return data
