"""One connection's thread: take a letter, try it, tell the result."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from comms import tracing
from comms.errors import CommsError
from comms.ports import EmailSender, Handed
from comms.rules.policy import SendingPolicy
from comms.rules.replies import Fault, Phase, Reply
from comms.rules.retry import Kind, classify
from comms.services.sending.breaker import Breaker
from comms.services.sending.channel import codes
from comms.services.sending.dispatch import Dispatch
from comms.services.sending.group_commit import GroupCommit
from comms.services.sending.line import Line
from comms.services.sending.report import Ended
from comms.services.sending.values import ChannelFailed, Claimed, Result, Told

_OPENING = (Phase.CONNECT, Phase.TLS, Phase.AUTH)
NOT_STARTED = Reply(Phase.CONNECT, fault=Fault.NOT_STARTED)


@dataclass(frozen=True)
class Workplace:
    """What the connections of one run share."""

    sender: EmailSender
    policy: SendingPolicy
    dispatch: Dispatch
    writer: GroupCommit[Claimed, Told]
    breaker: Breaker


def work(place: Workplace) -> None:
    """Send letters over one line until none is left, the run is halted, or there is no place at the relay for it."""
    line = Line(place.sender, place.policy.messages_per_connection, place.dispatch.connected)
    try:
        while (claimed := place.dispatch.take()) is not None:
            try:
                if not _deliver(place, line, claimed):
                    return
            finally:
                place.dispatch.done()
    finally:
        line.close()


def _deliver(place: Workplace, line: Line, claimed: Claimed) -> bool:
    """Return whether this line shall go on."""
    handed = _hand_over(place, line, claimed)
    if _is_crowded_out(place, handed):
        place.dispatch.give_back(claimed)
        return False
    place.writer.tell(Result(claimed, handed.reply))
    trouble = place.breaker.look(handed.reply)
    if trouble is not None:
        place.writer.tell(ChannelFailed(trouble))
        resting = classify(trouble) is Kind.CHANNEL_TRANSIENT
        place.dispatch.halt(Ended.RESTING if resting else Ended.PAUSED)
    return True


def _hand_over(place: Workplace, line: Line, claimed: Claimed) -> Handed:
    with tracing.span("SMTP hand-over", "client", email_id=claimed.email_id, attempt=claimed.attempt) as span:
        handed = line.send(claimed.letter, lambda: _may_hand_over(place, claimed))
        kind = classify(handed.reply)
        span.attributes |= {"outcome": kind, "smtp": codes(handed.reply)}
        span.failed = None if kind is Kind.ACCEPTED else kind
    return handed


def _is_crowded_out(place: Workplace, handed: Handed) -> bool:
    """A relay may allow fewer connections than we would like: the others go on without this one."""
    unopened = handed.reply.phase in _OPENING and classify(handed.reply) is Kind.CHANNEL_TRANSIENT
    return unopened and place.dispatch.others_connected


def _may_hand_over(place: Workplace, claimed: Claimed) -> bool:
    """Without a committed mark nothing is handed over; a database that fails ends the run, which reports it."""
    try:
        return place.writer.ask(claimed).result()
    except (SQLAlchemyError, CommsError):
        place.dispatch.halt(Ended.DATABASE)
        return False
