"""From an SMTP reply to what becomes of the email, and from an attempt to the time of the next one.

Sources: RFC 5321 (codes, phases), RFC 3463 and the IANA registry of enhanced codes, RFC 4954 (AUTH), RFC 3207
(STARTTLS), RFC 7504 (521, 556), and the lists of Exchange Online and Gmail for details that no RFC has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from comms.rules.policy import SendingPolicy
from comms.rules.replies import Fault, Phase, Reply


class Kind(StrEnum):
    """What a reply means for the email and for the channel."""

    ACCEPTED = "accepted"
    MESSAGE_TRANSIENT = "message_transient"
    PERMANENT_ADDRESS = "permanent_address"
    PERMANENT_CONTENT = "permanent_content"
    POLICY = "policy"
    CONFIGURATION = "configuration"
    """Nothing will go until a person changes something: the channel is paused."""
    CHANNEL_TRANSIENT = "channel_transient"
    """The relay is in trouble, not this message: the channel rests, no attempt is burned."""
    UNKNOWN = "unknown"
    """Handed over, no answer: in doubt."""
    RETURNED = "returned"
    """Nothing was tried: back to the queue as it was."""


_SESSION = (Phase.CONNECT, Phase.TLS, Phase.AUTH, Phase.MAIL)
"""Phases that are the same for every message: a refusal here says nothing about this one."""

_BY_FAULT = {
    Fault.TLS_MISSING: Kind.CONFIGURATION,
    Fault.TLS_FAILED: Kind.CONFIGURATION,
    Fault.CERTIFICATE: Kind.CONFIGURATION,
    Fault.INJECTED: Kind.CONFIGURATION,
    Fault.AUTH_UNSAFE: Kind.CONFIGURATION,
    Fault.AUTH_MISSING: Kind.CONFIGURATION,
    Fault.SENDER_UNUSABLE: Kind.CONFIGURATION,
    Fault.RECIPIENT_UNUSABLE: Kind.PERMANENT_ADDRESS,
    Fault.SMTPUTF8_MISSING: Kind.PERMANENT_ADDRESS,
    Fault.TOO_LARGE: Kind.PERMANENT_CONTENT,
    Fault.MARK_REFUSED: Kind.RETURNED,
    Fault.NOT_STARTED: Kind.RETURNED,
}

_CREDENTIALS = frozenset({523, 524, 530, 534, 535, 538})
"""RFC 4954 6 and RFC 3207 4: log in first, wrong login, encrypt first. The same for every message."""

_CHANNEL_DETAILS = frozenset({"3.1", "3.2", "4.5"})
"""RFC 3463: system full, system not accepting messages, congestion (Gmail: daily quota of the sending account)."""

_PERMANENT_DETAILS = (
    {f"1.{n}": Kind.PERMANENT_ADDRESS for n in (0, 1, 2, 3, 4, 5, 6, 10)}  # RFC 3463 3.2, RFC 7505
    | {f"1.{n}": Kind.CONFIGURATION for n in (7, 8)}  # the sender's address is bad
    | {"2.2": Kind.MESSAGE_TRANSIENT, "2.3": Kind.PERMANENT_CONTENT, "2.4": Kind.PERMANENT_ADDRESS}  # full; too long
    | {"2.0": Kind.PERMANENT_ADDRESS, "2.1": Kind.PERMANENT_ADDRESS}
    | {"3.4": Kind.PERMANENT_CONTENT, "4.5": Kind.CHANNEL_TRANSIENT, "5.3": Kind.MESSAGE_TRANSIENT}
    | {"6.7": Kind.PERMANENT_ADDRESS, "6.8": Kind.PERMANENT_ADDRESS}  # RFC 6531: no SMTPUTF8 on the way
    | {f"7.{n}": Kind.PERMANENT_ADDRESS for n in (17, 18)}  # RFC 7293: mailbox or domain has another owner
    | {f"7.{n}": Kind.CONFIGURATION for n in (3, 8, 9, 10, 11, 12, 13, 14)}  # RFC 4954, RFC 5248: login and encryption
    | {f"7.{n}": Kind.CONFIGURATION for n in (54, 57, 60, 64, 501, 502, 503, 705, 708, 750)}  # Exchange: who may send
    | {"1.90": Kind.CHANNEL_TRANSIENT}  # Exchange: daily limit of the sending account
)

_PERMANENT_SUBJECTS = {
    "1": Kind.PERMANENT_ADDRESS,
    "2": Kind.PERMANENT_ADDRESS,
    "4": Kind.PERMANENT_ADDRESS,
    "6": Kind.PERMANENT_CONTENT,
    "7": Kind.POLICY,
}

_RCPT_CODES = dict.fromkeys((501, 521, 550, 551, 553, 556), Kind.PERMANENT_ADDRESS)
_RCPT_CODES |= dict.fromkeys((500, 502, 503, 504), Kind.CONFIGURATION)
_RCPT_CODES[552] = Kind.MESSAGE_TRANSIENT
"""RFC 5321 4.5.3.1.10: 552 in answer to RCPT is to be treated as 452."""


def classify(reply: Reply) -> Kind:
    """Say what a reply means. A message that was handed over (`CONTENT`) is only refused by a definite 4xx or 5xx."""
    if reply.code is None:
        return _silence(reply)
    match reply.code // 100:
        case 2 if reply.phase is Phase.CONTENT:
            return Kind.ACCEPTED
        case 4:
            return _transient(reply, reply.code)
        case 5:
            return _permanent(reply, reply.code)
    return Kind.UNKNOWN if reply.phase is Phase.CONTENT else Kind.CHANNEL_TRANSIENT


def _silence(reply: Reply) -> Kind:
    if reply.phase is Phase.CONTENT:
        return Kind.UNKNOWN
    return _BY_FAULT.get(reply.fault, Kind.CHANNEL_TRANSIENT) if reply.fault else Kind.CHANNEL_TRANSIENT


def _transient(reply: Reply, code: int) -> Kind:
    """After the dot a refusal is always the message's: one that upsets the relay must not stop the others for ever."""
    if _may_not_relay(reply):
        return Kind.CONFIGURATION
    if reply.phase is Phase.CONTENT:
        return Kind.MESSAGE_TRANSIENT
    if code == 421 or reply.phase in _SESSION or _detail(reply) in _CHANNEL_DETAILS:  # RFC 5321 3.8: 421 ends a session
        return Kind.CHANNEL_TRANSIENT
    return Kind.MESSAGE_TRANSIENT


def _permanent(reply: Reply, code: int) -> Kind:
    if code in _CREDENTIALS or _may_not_relay(reply):
        return Kind.CONFIGURATION
    if reply.phase in _SESSION:
        return _about_the_session(reply, code)
    return _by_detail(reply) or _by_code(reply, code)


def _may_not_relay(reply: Reply) -> bool:
    """The words count where codes are silent: Exchange says "authentication required" of closed groups (5.7.133)."""
    if reply.fault is not Fault.RELAY_DENIED or reply.phase is Phase.CONTENT:
        return False
    return _detail(reply) in ("", "0.0", "5.1", "7.0", "7.1")


def _about_the_session(reply: Reply, code: int) -> Kind:
    """MAIL names the size and the need for SMTPUTF8; every other refusal before RCPT meets all messages alike."""
    if reply.phase is Phase.MAIL and (code == 552 or _detail(reply) in ("2.3", "3.4", "6.7", "6.8")):
        return _by_detail(reply) or Kind.PERMANENT_CONTENT
    return Kind.CHANNEL_TRANSIENT if _detail(reply) in ("1.90", "4.5") else Kind.CONFIGURATION


def _by_detail(reply: Reply) -> Kind | None:
    detail = _detail(reply)
    if reply.phase is Phase.CONTENT and _PERMANENT_DETAILS.get(detail) is Kind.CHANNEL_TRANSIENT:
        return Kind.MESSAGE_TRANSIENT
    return _PERMANENT_DETAILS.get(detail) or _PERMANENT_SUBJECTS.get(detail.partition(".")[0])


def _by_code(reply: Reply, code: int) -> Kind:
    if reply.fault is Fault.BLOCKED:
        return Kind.POLICY
    if reply.phase is Phase.RCPT:
        return _RCPT_CODES.get(code, Kind.POLICY)
    if reply.phase is Phase.DATA and code in (500, 501, 502, 503, 504):
        return Kind.CONFIGURATION  # the conversation itself is out of step
    return Kind.POLICY if code == 550 else Kind.PERMANENT_CONTENT  # RFC 5321 4.2.3: 550 for policy reasons


def _detail(reply: Reply) -> str:
    """Subject and detail of the enhanced code, "1.1" of "5.1.1"; "" where there is none."""
    return reply.enhanced.partition(".")[2] if reply.enhanced else ""


RETRY_AFTER = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240))
"""RFC 5321 4.5.4.1: two tries in the first hour, then every few hours; the early ones end greylisting (RFC 6647)."""
JITTER = 0.2


def next_attempt_at(
    email_id: int, retry: int, first_attempt_at: datetime, now: datetime, give_up_after: timedelta
) -> datetime | None:
    """When to try again after the `retry`-th refusal (from 1); None once the time is used up.

    The last try stands at the very end of the time. Jitter depends on email and retry alone: same input, same answer.
    """
    end = first_attempt_at + give_up_after
    if now >= end:
        return None
    pause = RETRY_AFTER[min(retry, len(RETRY_AFTER)) - 1]
    return min(now + pause * _spread(email_id, retry), end)


def _spread(email_id: int, retry: int) -> float:
    """A number from 0.8 to 1.2 that is always the same for this email and retry."""
    digest = sha256(f"{email_id}:{retry}".encode()).digest()
    return 1 - JITTER + 2 * JITTER * int.from_bytes(digest[:8]) / (2**64 - 1)


@dataclass(frozen=True)
class Tried:
    """What a decision needs to know of an email besides the reply."""

    email_id: int
    retry_count: int
    first_attempt_at: datetime


@dataclass(frozen=True)
class Decision:
    """The move that ends an attempt (a verb of `rules.states`), and why."""

    verb: str
    kind: Kind
    next_attempt_at: datetime | None = None
    """None with `defer`: as due as it was."""
    burns_attempt: bool = False


_VERBS = {
    Kind.ACCEPTED: "accept",
    Kind.UNKNOWN: "lose",
    Kind.RETURNED: "defer",
    Kind.CONFIGURATION: "defer",
    Kind.CHANNEL_TRANSIENT: "defer",
    Kind.MESSAGE_TRANSIENT: "defer",
}


def decide(reply: Reply, tried: Tried, now: datetime, policy: SendingPolicy) -> Decision:
    """Say how an attempt ends; what is not in the table of verbs is refused for good."""
    kind = classify(reply)
    if kind is Kind.CHANNEL_TRANSIENT:
        return Decision("defer", kind, now + policy.breaker_pause)
    if kind is not Kind.MESSAGE_TRANSIENT:
        return Decision(_VERBS.get(kind, "refuse"), kind)
    again = next_attempt_at(tried.email_id, tried.retry_count + 1, tried.first_attempt_at, now, policy.give_up_after)
    return Decision("defer" if again else "refuse", kind, again, burns_attempt=True)
