"""What services need from outside, as Protocols, and the values that cross them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

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


@dataclass(frozen=True)
class Message:
    """One event as it goes onto the topic; `row` is the outbox's id."""

    row: int
    key: str
    value: bytes


@dataclass(frozen=True)
class Receipt:
    """How one message ended: where it stands (offset -1 where the broker did not say), or why it was refused."""

    row: int
    partition: int | None = None
    offset: int = -1
    refused: str | None = None
    """A code, for what is wrong with this message alone."""


@dataclass(frozen=True)
class Publication:
    """Receipts of what is known; with `interrupted` the others may stand on the topic or not."""

    receipts: tuple[Receipt, ...]
    interrupted: str | None = None


class BrokerAway(Temporary):
    """There is no usable connection to the broker; `fault` says why, as a code."""

    code = "broker_away"

    def __init__(self, fault: str) -> None:
        super().__init__(f"the broker cannot be used: {fault}")
        self.fault = fault


class EventPublisher(Protocol):
    """Writes to one topic; not thread-safe."""

    def publish(self, messages: Sequence[Message]) -> Publication:
        """Write all and wait for every acknowledgement; BrokerAway where nothing was written."""

    def check(self) -> None:
        """BrokerAway where nobody answers."""

    def read_since(self, offsets: Mapping[int, int]) -> tuple[list[bytes], dict[int, int]]:
        """Read what stands on the topic from these offsets on (or its last thousands), and where it ends now."""

    def close(self) -> None:
        """Forget the connection; never raises."""


class PlatformService(StrEnum):
    """The three that the platform consists of for us."""

    MATCHING = "matching"
    THERAPIST = "therapist"
    PATIENT = "patient"


UNKNOWN = "unknown"
"""The service answered, and knows no such id."""
NOT_ASKED = frozenset({"gave_up", "out_of_time", "not_configured"})
"""Faults of questions that were never sent: the service failed too often, or too slowly, or there is none."""


@dataclass(frozen=True)
class RequestPage:
    """One page of placement requests as the platform sent them; with a `fault` there are none."""

    rows: Sequence[Any] = ()
    fault: str | None = None


@dataclass(frozen=True)
class PlatformFacts:
    """What the platform says of one therapist or patient, untranslated; or why there is nothing, as a code."""

    id: int
    fields: Mapping[str, Any] | None = None
    fault: str | None = None


class PlatformDirectory(Protocol):
    """The platform's services over HTTP, for one run; not thread-safe. Trouble is in the answers, never raised.

    A service that fails several times in a row, or takes too long in all, is not asked again.
    """

    @property
    def services(self) -> frozenset[PlatformService]:
        """Those that can be asked."""

    def open_requests(self, page: int, limit: int) -> RequestPage:
        """Read one page, counted from 1, of the requests that the platform calls `offen`."""

    def facts(self, service: PlatformService, ids: Sequence[int]) -> list[PlatformFacts]:
        """Ask about therapists or patients, several at once; one answer for each, in the order of `ids`."""

    def put_in_progress(self, request_ids: Sequence[int]) -> dict[int, str | None]:
        """Set requests `in_bearbeitung` there; for each the fault, or None. Doing it again is harmless."""


@dataclass(frozen=True)
class IncomingMessage:
    """One message as it stands on a topic; `at` is the broker's timestamp, `value` None for a message without one."""

    topic: str
    partition: int
    offset: int
    at: datetime
    value: bytes | None


class EventSource(Protocol):
    """Reads topics as a member of a group; not thread-safe."""

    def poll(self, seconds: float) -> list[IncomingMessage]:
        """Wait for messages at most so long; BrokerAway where it cannot even begin to read."""

    def commit(self) -> None:
        """Say that everything polled so far is ours; a group that changed meanwhile gets it again."""

    def behind(self) -> int:
        """Messages that stand on our partitions and were not polled yet; BrokerAway where nobody answers."""

    def close(self) -> None:
        """Leave the group; never raises."""
