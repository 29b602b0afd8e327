"""What passes between the claim, the connections and the writer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from comms.ports import Letter
from comms.rules.replies import Reply


@dataclass(frozen=True)
class Claimed:
    """An email that this process holds, as it was at the claim."""

    letter: Letter
    attempt: int
    version: int
    retry_count: int
    first_attempt_at: datetime | None

    @property
    def email_id(self) -> int:
        return self.letter.email_id


@dataclass(frozen=True)
class Result:
    """How an attempt ended; still to be written."""

    claimed: Claimed
    reply: Reply


@dataclass(frozen=True)
class ChannelFailed:
    """The relay, not a message, is the trouble: let the channel rest, or pause it."""

    reply: Reply


@dataclass(frozen=True)
class RenewLeases:
    """Everything that this process holds takes longer."""


Told = Result | ChannelFailed | RenewLeases
