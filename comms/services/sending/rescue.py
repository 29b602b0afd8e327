"""Emails whose sender fell silent: what the relay said counts; else back to the queue, or in doubt once handed over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, tuple_, update
from sqlalchemy.orm import Session

from comms.ports import Letter
from comms.rules.policy import SendingPolicy
from comms.rules.replies import Fault, Phase, Reply
from comms.rules.states import EmailStatus
from comms.services.places import MARKED_EARLIER
from comms.services.sending.effects import after_lost
from comms.services.sending.settle import settle
from comms.services.sending.values import Claimed, Result
from comms.store.engines import for_claim
from comms.store.models import DeliveryAttempt, Email
from comms.store.transitions import move_emails

CHUNK = 500


@dataclass(frozen=True)
class Rescued:
    """Ids, sorted. Answered: the relay had spoken and its word was written down, only nothing had followed yet."""

    queued: tuple[int, ...] = ()
    in_doubt: tuple[int, ...] = ()
    answered: tuple[int, ...] = ()

    @property
    def all(self) -> list[int]:
        return sorted((*self.queued, *self.in_doubt, *self.answered))


_CLEAN = or_(Email.handed_over_at.is_(None), MARKED_EARLIER)


def rescue_lost_emails(session: Session, now: datetime, policy: SendingPolicy | None = None) -> Rescued:
    """Take emails from owners whose lease has run out by `now`, the database's time. Safe to run at any moment."""
    query = select(Email.id).where(Email.status == EmailStatus.SENDING, Email.lease_until <= now).order_by(Email.id)
    lost = list(session.scalars(for_claim(session, query.limit(CHUNK))))
    if not lost:
        return Rescued()
    answered = _settle_answered(session, lost, now, policy or SendingPolicy())
    expired = Email.lease_until <= now
    queued = _end(session, "rescue", lost, now, expired, _CLEAN)
    doubtful = _end(session, "lose", lost, now, expired, ~_CLEAN)
    if doubtful:
        after_lost(session, doubtful, now)
    return Rescued(tuple(queued), tuple(doubtful), tuple(answered))


def _settle_answered(session: Session, ids: Collection[int], now: datetime, policy: SendingPolicy) -> list[int]:
    """Do what the owner would have done next."""
    done: list[int] = []
    for owner, results in _answers(session, ids).items():
        for endings in settle(session, owner, results, now, policy).values():
            done += [ending.email_id for ending in endings]
    return sorted(done)


def _answers(session: Session, ids: Collection[int]) -> dict[str, list[Result]]:
    """By owner, what was noted of the running attempt."""
    attempt = DeliveryAttempt
    this_one = and_(attempt.email_id == Email.id, attempt.attempt == Email.attempt, attempt.owner == Email.owner)
    query = (
        select(Email, attempt)
        .join(attempt, this_one)
        .where(Email.id.in_(ids), attempt.finished_at.is_not(None), attempt.outcome.is_(None))
        .order_by(Email.id)
    )
    found: dict[str, list[Result]] = defaultdict(list)
    for email, tried in session.execute(query):
        letter = Letter(email.id, email.sender_email, email.recipient_email, b"")
        claimed = Claimed(letter, email.attempt, email.version, email.retry_count, email.first_attempt_at)
        found[tried.owner].append(Result(claimed, _reply(tried)))
    return found


def _reply(tried: DeliveryAttempt) -> Reply:
    fault = Fault(tried.fault) if tried.fault else None
    return Reply(Phase(tried.phase or Phase.CONNECT), tried.code, tried.enhanced, fault)


def _end(
    session: Session, verb: str, ids: Collection[int], now: datetime, *conditions: ColumnElement[bool]
) -> list[int]:
    moved = sorted(move_emails(session, verb, ids, now, *conditions))
    latest = select(Email.id, Email.attempt).where(Email.id.in_(moved))
    session.execute(
        update(DeliveryAttempt)
        .where(tuple_(DeliveryAttempt.email_id, DeliveryAttempt.attempt).in_(latest))
        .values(finished_at=now, outcome=verb)
        .execution_options(synchronize_session=False)
    )
    return moved
