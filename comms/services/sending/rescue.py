"""Emails whose sender fell silent: back to the queue if nothing was handed over, else in doubt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select, tuple_, update
from sqlalchemy.orm import Session

from comms.rules.states import EmailStatus
from comms.services.sending.effects import after_lost
from comms.store.engines import for_claim
from comms.store.models import DeliveryAttempt, Email
from comms.store.transitions import move_emails

CHUNK = 500


@dataclass(frozen=True)
class Rescued:
    """Ids, sorted."""

    queued: tuple[int, ...] = ()
    in_doubt: tuple[int, ...] = ()


_ONLY_EARLIER = exists().where(
    DeliveryAttempt.email_id == Email.id,
    DeliveryAttempt.attempt == Email.attempt,
    DeliveryAttempt.handed_over_at.is_(None),
)
"""The mark is of an earlier attempt, which a person resolved: it does not put this one in doubt."""

_CLEAN = or_(Email.handed_over_at.is_(None), _ONLY_EARLIER)


def rescue_lost_emails(session: Session, now: datetime) -> Rescued:
    """Take emails from owners whose lease has run out by `now`, the database's time. Safe to run at any moment."""
    query = select(Email.id).where(Email.status == EmailStatus.SENDING, Email.lease_until <= now).order_by(Email.id)
    lost = list(session.scalars(for_claim(session, query.limit(CHUNK))))
    if not lost:
        return Rescued()
    expired = Email.lease_until <= now
    queued = _end(session, "rescue", lost, now, expired, _CLEAN)
    doubtful = _end(session, "lose", lost, now, expired, ~_CLEAN)
    if doubtful:
        after_lost(session, doubtful, now)
    return Rescued(tuple(queued), tuple(doubtful))


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
