"""Which status may follow which: the one table behind the code, the CHECKs and `docs/states.md`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EmailStatus(StrEnum):
    DRAFT = "draft"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    BOUNCED = "bounced"
    CANCELED = "canceled"


class PhoneCallStatus(StrEnum):
    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class CallKind(StrEnum):
    """Why there is a call."""

    FOLLOW_UP = "follow_up"
    """For emails without an answer."""
    FIRST = "first"
    """For requests of a therapist without a working address."""
    REPLY = "reply"
    """Answers an answer: a call-back after "needs follow-up"; it stands outside the contact rule."""
    MANUAL = "manual"
    """Booked by a person."""


class RequestStatus(StrEnum):
    """Of a placement request. The platform says offen, in_bearbeitung, abgelehnt, angenommen; withdrawn is ours."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """What a therapist answered for one placement request."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NEEDS_FOLLOW_UP = "needs_follow_up"


class TherapistStatus(StrEnum):
    ACTIVE = "active"
    BLOCKED = "blocked"
    INACTIVE = "inactive"


@dataclass(frozen=True)
class Move:
    """One arrow of the picture: from any of `sources`, by `verb`, to `target`; `by` says who moves it."""

    verb: str
    sources: frozenset[str]
    target: str
    by: str


def _move(verb: str, sources: str, target: str, by: str) -> Move:
    return Move(verb, frozenset(sources.split()), target, by)


EMAIL_MOVES: tuple[Move, ...] = (
    _move("queue", "draft", "queued", "a person or the daily batch; claims the contact"),
    _move("cancel", "draft queued failed", "canceled", "a person, or every request in it was withdrawn"),
    _move("claim", "queued", "sending", "the sender: lease, owner, attempt"),
    _move("accept", "sending", "sent", "the relay answered 250 to the final dot"),
    _move("defer", "sending", "queued", "temporary refusal; the next attempt has a time"),
    _move("refuse", "sending", "failed", "permanent refusal, or attempts used up"),
    _move("lose", "sending", "in_doubt", "handed over, no answer known"),
    _move("rescue", "sending", "queued", "the lease ran out before anything was handed over"),
    _move("resolve_sent", "in_doubt", "sent", "bounce, reply, or a person"),
    _move("resolve_bounced", "in_doubt", "bounced", "bounce, reply, or a person"),
    _move("resolve_queued", "in_doubt", "queued", "a person"),
    _move("resolve_canceled", "in_doubt", "canceled", "a person; releases no contact"),
    _move("bounce", "sent", "bounced", "a delivery status notification, or a person"),
    _move("requeue", "failed", "queued", "a person; claims the contact again"),
)

CALL_MOVES: tuple[Move, ...] = (
    _move("complete", "scheduled failed", "completed", "a person: reached, with an outcome"),
    _move("miss", "scheduled", "failed", "not reached, or not recorded by the end of the day"),
    _move("cancel", "scheduled", "canceled", "an answer came first, or a person withdrew it"),
)

_BY_VERB = {
    "email": {move.verb: move for move in EMAIL_MOVES},
    "call": {move.verb: move for move in CALL_MOVES},
}

LIVE_EMAIL = frozenset({EmailStatus.QUEUED, EmailStatus.SENDING, EmailStatus.SENT, EmailStatus.IN_DOUBT})
"""Statuses in which an email holds its requests, as long as they have no outcome."""

OPEN_REQUEST = frozenset({RequestStatus.OPEN, RequestStatus.IN_PROGRESS})
"""Statuses of a request that still waits for an outcome."""


def move(kind: str, verb: str) -> Move:
    """Return the arrow `verb` of `kind` ("email" or "call"); KeyError for a verb that does not exist."""
    return _BY_VERB[kind][verb]


def verbs_from(kind: str, status: str) -> list[str]:
    """List what may happen to a thing in `status`, in the order of the table."""
    return [m.verb for m in _BY_VERB[kind].values() if status in m.sources]


def target_of_resolution(status: str) -> str:
    """Map what a person says about an email in doubt to the verb of the table; ValueError for anything else."""
    verb = f"resolve_{status}"
    if verb not in _BY_VERB["email"]:
        known = ", ".join(v.removeprefix("resolve_") for v in _BY_VERB["email"] if v.startswith("resolve_"))
        raise ValueError(f"an email in doubt resolves to one of: {known}")
    return verb
