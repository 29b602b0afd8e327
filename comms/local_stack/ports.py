"""Ports of the local stack: named, checked before anything starts, moved where a demo may move them."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from comms.errors import ConfigurationError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Port:
    """`setting` is the name in the environment that moves it."""

    number: int
    use: str
    setting: str


def is_free(number: int) -> bool:
    """Say whether a server of ours could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
    return True


def answers(number: int) -> bool:
    """Say whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, number)) == 0


def require_free(ports: Iterable[Port]) -> None:
    """Raise ConfigurationError with one line for each port that is taken, or that two parts want."""
    faults, owner = [], dict[int, Port]()
    for port in ports:
        other = owner.setdefault(port.number, port)
        if other is not port:
            faults.append(f"{port.setting}: port {port.number} is also {other.setting}; give them different ones")
        elif not is_free(port.number):
            faults.append(
                f"{port.setting}: port {port.number} ({port.use}) is taken by another program;"
                f" end that program or set {port.setting} to a free port"
            )
    if faults:
        raise ConfigurationError(faults)


def free_port(preferred: int | None = None, avoid: Iterable[int] = ()) -> int:
    """Return `preferred` if it is free, else a port the system picks; never one of `avoid`."""
    avoided = set(avoid)
    if preferred and preferred not in avoided and is_free(preferred):
        return preferred
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            number: int = probe.getsockname()[1]
        if number not in avoided:
            return number
