"""What a scripted mail server may be told to say or do instead of what a good one says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Drop:
    """Close the connection, after `first` was written."""

    first: bytes = b""


@dataclass(frozen=True)
class Hang:
    """Say nothing more until the test is over, after `first` was written."""

    first: bytes = b""


@dataclass(frozen=True)
class Drip:
    """Say `reply` one byte at a time, with so many seconds between them."""

    reply: str
    seconds: float = 1.0


@dataclass(frozen=True)
class Kill:
    """End the client's process with SIGKILL; `first` reaches its socket, but it does not live to read it."""

    first: bytes = b""


@dataclass(frozen=True)
class KillSoon:
    """Go on as a good server does, and end the client's process after so many seconds, wherever it is then."""

    seconds: float


Behaviour = str | bytes | Drop | Hang | Drip | Kill | KillSoon | None
"""A reply line, raw bytes, a misbehaviour, or None for what a good server says."""


@dataclass
class Session:
    """One connection, as the scripts see it."""

    number: int
    peer: str = ""
    """Host and port of the client's end."""
    messages: int = 0
    line: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    tls: str | None = None
    """The version that is spoken, e.g. TLSv1.3; None while everything is in clear."""
    login: str | None = None


Script = Mapping[str, Behaviour | Callable[[Session], Behaviour]]
"""By phase: greeting, ehlo, starttls, auth, mail, rcpt, data, content (in place of keeping it), kept, rset, quit."""
