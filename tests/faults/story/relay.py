"""A mail relay in this process that follows a script, kills whoever hands over, and remembers what really came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from comms.ports import ChannelFault, EmailConnection, Handed, Letter
from comms.rules.replies import Fault, Phase, Reply


class Answer(StrEnum):
    """What becomes of one letter."""

    TAKE = "take"
    BUSY = "busy"
    NO_SUCH_BOX = "no_such_box"
    DIE_UNMARKED = "die_unmarked"
    """The sender dies before it asks whether it may hand over."""
    DIE_MARKED = "die_marked"
    """It dies after the mark, before the dot."""
    BUSY_LATE = "busy_late"
    REFUSE = "refuse"
    LOSE = "lose"
    """The letter came, the answer got lost."""
    LOSE_BOTH = "lose_both"
    """Neither of them came."""
    DIE_TAKEN = "die_taken"
    """The letter came, and the sender dies before it can write that down."""


BEFORE_MARK = {
    Answer.BUSY: Reply(Phase.RCPT, 451, "4.3.0"),
    Answer.NO_SUCH_BOX: Reply(Phase.RCPT, 550, "5.1.1"),
}
AFTER_MARK = {
    Answer.TAKE: Reply(Phase.CONTENT, 250),
    Answer.BUSY_LATE: Reply(Phase.CONTENT, 451),
    Answer.REFUSE: Reply(Phase.CONTENT, 554, "5.6.0"),
    Answer.LOSE: Reply(Phase.CONTENT, fault=Fault.CLOSED),
    Answer.LOSE_BOTH: Reply(Phase.CONTENT, fault=Fault.CLOSED),
}
ARRIVES = frozenset({Answer.TAKE, Answer.LOSE, Answer.DIE_TAKEN})


class Killed(BaseException):
    """The sender dies: nothing of ours may catch it."""


@dataclass
class Relay:
    """Answers the next letters as `script` says, and takes the others. Both the sender and its connection."""

    script: deque[Answer] = field(default_factory=deque)
    away: bool = False
    told: dict[int, Answer] = field(default_factory=dict)
    """What became of the letters of this step, by email."""
    received: list[tuple[int, datetime]] = field(default_factory=list)
    """Every letter that arrived: its email, and when."""
    alive: bool = True

    def begin(self, script: Sequence[Answer] = (), *, away: bool = False) -> None:
        self.script, self.away = deque(script), away
        self.told.clear()

    def connect(self) -> EmailConnection:
        if self.away:
            raise ChannelFault(Reply(Phase.CONNECT, fault=Fault.REFUSED))
        self.alive = True
        return self

    def send(self, letter: Letter, may_hand_over: Callable[[], bool]) -> Handed:
        answer = self.script.popleft() if self.script else Answer.TAKE
        if answer in BEFORE_MARK or answer is Answer.DIE_UNMARKED:
            self._tell(letter, answer)
            return Handed(letter.email_id, BEFORE_MARK[answer], marked=False)
        if not may_hand_over():
            self.alive = False
            return Handed(letter.email_id, Reply(Phase.DATA, fault=Fault.MARK_REFUSED), marked=False)
        self._tell(letter, answer)
        self.alive = answer not in (Answer.LOSE, Answer.LOSE_BOTH)
        return Handed(letter.email_id, AFTER_MARK[answer], marked=True)

    def _tell(self, letter: Letter, answer: Answer) -> None:
        self.told[letter.email_id] = answer
        if answer in ARRIVES:
            self.take(letter)
        if answer.startswith("die"):
            raise Killed

    def take(self, letter: Letter) -> None:
        self.received.append((letter.email_id, datetime.now(UTC)))

    def close(self) -> None:
        self.alive = False
