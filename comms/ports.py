"""What services need from outside, as Protocols, and the values that cross them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """Where in an SMTP conversation something happened. From `CONTENT` on the message may have been taken."""

    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True)
class Letter:
    """One email as it goes over the wire: `content` is the final bytes with CRLF ends, not yet dot-stuffed."""

    email_id: int
    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True)
class Reply:
    """What the other side said, or that it said nothing (`code` None). `text` never leaves the gateway: it may hold addresses."""

    phase: Phase
    code: int | None
    enhanced: str | None = None
    fault: str | None = None
    """A stable word where there is no reply: timeout, closed, refused, dns, tls_missing, certificate, auth_unsafe, garbage."""


@dataclass(frozen=True)
class Handed:
    """How one letter ended: `reply` is the deciding one; `marked` says whether the content may have left this machine."""

    email_id: int
    reply: Reply
    marked: bool


class EmailConnection(Protocol):
    """One reusable connection to the relay; not thread-safe."""

    def send(self, letter: Letter, may_hand_over: Callable[[], bool]) -> Handed:
        """Hand one letter over. `may_hand_over` is asked once after 354 and before the content; False closes without the dot."""

    def close(self) -> None:
        """Say QUIT if possible and forget the socket; never raises."""


class EmailSender(Protocol):
    """Opens connections to the relay."""

    def connect(self) -> EmailConnection:
        """Return a connection ready for MAIL; raises `gateways.smtp.ChannelFault` with a `Reply` otherwise."""


class Clock(Protocol):
    """Tells `now`, once per unit of work, aware and in UTC."""

    def __call__(self) -> datetime: ...
