"""Writing down how attempts ended: one move per verb, with everything that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, tuple_, update
from sqlalchemy.orm import Session

from comms.rules.policy import SendingPolicy
from comms.rules.retry import Decision, Kind, Tried, decide
from comms.services.places import earlier_doubt
from comms.services.sending.effects import after_lost, after_refused, after_sent
from comms.services.sending.values import Result
from comms.store.models import DeliveryAttempt, Email, UtcDateTime
from comms.store.staff import resolve_items
from comms.store.transitions import move_emails


@dataclass(frozen=True)
class Ending:
    """A result with the decision that it leads to."""

    result: Result
    decision: Decision

    @property
    def email_id(self) -> int:
        return self.result.claimed.email_id


def settle(
    session: Session, owner: str, results: Sequence[Result], at: datetime, policy: SendingPolicy
) -> dict[str, list[Ending]]:
    """Move every email as its reply says; return by verb what was really moved.

    An email whose lease ran out meanwhile belongs to somebody else, and nothing is changed; but what was put in doubt
    by a rescue and is now known to be taken is sent.
    """
    endings = [Ending(result, _decide(result, at, policy)) for result in results]
    done: dict[str, list[Ending]] = {}
    for verb in ("accept", "defer", "refuse", "lose"):
        ended = [ending for ending in endings if ending.decision.verb == verb]
        if ended:
            done[verb] = _move(session, owner, verb, ended, at)
    return done


def _decide(result: Result, at: datetime, policy: SendingPolicy) -> Decision:
    claimed = result.claimed
    tried = Tried(claimed.email_id, claimed.retry_count, claimed.first_attempt_at or at)
    return decide(result.reply, tried, at, policy)


def _move(session: Session, owner: str, verb: str, ended: Sequence[Ending], at: datetime) -> list[Ending]:
    by_id = {ending.email_id: ending for ending in ended}
    values = _VALUES[verb](ended, at)
    moved = move_emails(session, verb, by_id, at, Email.owner == owner, _same_attempt(ended), **values)
    if verb == "accept":
        moved |= _accept_late(session, [e for id_, e in by_id.items() if id_ not in moved], at)
    done = [by_id[id_] for id_ in sorted(moved)]
    if done:
        _close_attempts(session, verb, done)
        _follow(session, verb, done, at)
    return done


def _same_attempt(ended: Collection[Ending]) -> ColumnElement[bool]:
    pairs = [(e.email_id, e.result.claimed.attempt) for e in ended]
    return tuple_(Email.id, Email.attempt).in_(pairs)


def _accept_late(session: Session, ended: Sequence[Ending], at: datetime) -> dict[int, int]:
    """The rescue could not know; the relay's word ends the doubt."""
    if not ended:
        return {}
    ids = [ending.email_id for ending in ended]
    moved = move_emails(session, "resolve_sent", ids, at, _same_attempt(ended), **_accepted(ended, at))
    if moved:
        resolve_items(session, "email", moved, at, "sender", ["email_in_doubt"])
    return moved


def _accepted(_ended: Sequence[Ending], at: datetime) -> dict[str, Any]:
    first = func.coalesce(Email.first_attempt_at, literal(at, UtcDateTime()))
    return {"sent_at": at, "first_attempt_at": first, "error_kind": None, "error_message": None}


def _deferred(ended: Sequence[Ending], at: datetime) -> dict[str, Any]:
    """Trouble of the relay burns nothing; a letter that was not tried stays as due as it was.

    This hand-over came to nothing for certain; one of an earlier attempt that stayed in doubt still counts.
    """
    burned = [e.email_id for e in ended if e.decision.burns_attempt]
    again = {
        e.email_id: literal(e.decision.next_attempt_at, UtcDateTime()) for e in ended if e.decision.next_attempt_at
    }
    told = [e for e in ended if e.decision.kind is not Kind.RETURNED]
    values: dict[str, Any] = {"handed_over_at": earlier_doubt()}
    if again:
        values["next_attempt_at"] = case(again, value=Email.id, else_=Email.next_attempt_at)
    if burned:
        first = func.coalesce(Email.first_attempt_at, literal(at, UtcDateTime()))
        values["retry_count"] = Email.retry_count + case((Email.id.in_(burned), 1), else_=0)
        values["first_attempt_at"] = case((Email.id.in_(burned), first), else_=Email.first_attempt_at)
    return values | _reasons(told)


def _refused(ended: Sequence[Ending], at: datetime) -> dict[str, Any]:
    first = func.coalesce(Email.first_attempt_at, literal(at, UtcDateTime()))
    return {"handed_over_at": earlier_doubt(), "first_attempt_at": first} | _reasons(ended)


def _lost(ended: Sequence[Ending], at: datetime) -> dict[str, Any]:
    first = func.coalesce(Email.first_attempt_at, literal(at, UtcDateTime()))
    return {"first_attempt_at": first} | _reasons(ended)


_VALUES = {"accept": _accepted, "defer": _deferred, "refuse": _refused, "lose": _lost}


def _reasons(ended: Sequence[Ending]) -> dict[str, Any]:
    """Kind and codes, never the text of the reply."""
    if not ended:
        return {}
    kinds = {e.email_id: e.decision.kind.value for e in ended}
    codes = {e.email_id: str(e.result.reply) for e in ended}
    return {
        "error_kind": case(kinds, value=Email.id, else_=Email.error_kind),
        "error_message": case(codes, value=Email.id, else_=Email.error_message),
    }


def _close_attempts(session: Session, verb: str, done: Sequence[Ending]) -> None:
    pairs = [(ending.email_id, ending.result.claimed.attempt) for ending in done]
    session.execute(
        update(DeliveryAttempt)
        .where(tuple_(DeliveryAttempt.email_id, DeliveryAttempt.attempt).in_(pairs))
        .values(outcome=verb)
        .execution_options(synchronize_session=False)
    )


def _follow(session: Session, verb: str, done: Sequence[Ending], at: datetime) -> None:
    ids = [ending.email_id for ending in done]
    match verb:
        case "accept":
            after_sent(session, ids, at)
        case "lose":
            after_lost(session, ids, at)
        case "refuse":
            after_refused(session, {e.email_id: (e.decision.kind, e.result.reply) for e in done}, at)
