"""What services need from outside, as Protocols, and the values that cross them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from comms.errors import Temporary
from comms.rules.replies import Reply


@dataclass(frozen=True)
class Letter:
    """One email as it goes over the wire: `content` is the final bytes with CRLF ends, not yet dot-stuffed."""

    email_id: int
    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True)
class Handed:
    """How one letter ended: `reply` decided it; `marked` says whether the hand-over was allowed and recorded."""

    email_id: int
    reply: Reply
    marked: bool


class ChannelFault(Temporary):
    """There is no connection to the relay; `reply` says why, in codes."""

    code = "channel_fault"

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"the mail relay cannot be used: {reply}")
        self.reply = reply


class EmailConnection(Protocol):
    """One reusable connection to the relay; not thread-safe."""

    @property
    def alive(self) -> bool:
        """Whether another letter may be tried on it; False once it broke or had to be closed."""

    def send(self, letter: Letter, may_hand_over: Callable[[], bool]) -> Handed:
        """Hand one letter over; trouble is in the answer, never raised.

        `may_hand_over` is asked once, after 354 and before the content; at False the connection closes without the dot.
        """

    def close(self) -> None:
        """Say QUIT if possible and forget the socket; never raises."""


class EmailSender(Protocol):
    """Opens connections to the relay."""

    def connect(self) -> EmailConnection:
        """Return a connection ready for MAIL; raises ChannelFault otherwise, before any mail byte."""


class Clock(Protocol):
    """Tells `now`, once per unit of work, aware and in UTC."""

    def __call__(self) -> datetime: ...
