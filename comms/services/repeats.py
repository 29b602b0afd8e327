"""Requests that may come twice: the first claims its Idempotency-Key, the others get its answer.

Claim, effect and answer are one transaction. A second request with the key waits at the claim until the first has
committed (PostgreSQL at the unique index, SQLite at the writer lock) and then finds the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from comms.errors import Conflict
from comms.store.engines import insert_for
from comms.store.models import IdempotencyAnswer

KEPT = timedelta(days=7)


@dataclass(frozen=True)
class Repeatable:
    """Names one request: who sent it, under which key, and a digest of all that it asks for."""

    api_key_id: int
    key: str
    fingerprint: str


@dataclass(frozen=True)
class StoredAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


def claim_repeatable(session: Session, request: Repeatable, now: datetime) -> StoredAnswer | None:
    """Claim the key for this transaction, or return what was answered before; Conflict for another request's key."""
    _forget(session, request, now - KEPT)
    row = {**vars(request), "created_at": now}
    claim = insert_for(session)(IdempotencyAnswer).values(row).on_conflict_do_nothing()
    if session.scalar(claim.returning(IdempotencyAnswer.key)) is not None:
        return None
    known = session.execute(
        select(
            IdempotencyAnswer.fingerprint, IdempotencyAnswer.status, IdempotencyAnswer.headers, IdempotencyAnswer.body
        ).where(*_is(request))
    ).one()
    if known.fingerprint != request.fingerprint:
        raise Conflict("this Idempotency-Key was used for another request; take a fresh one")
    return StoredAnswer(known.status, known.headers or {}, known.body or b"")


def store_answer(session: Session, request: Repeatable, answer: StoredAnswer) -> None:
    """Keep the answer of a claimed request, in the transaction of its effect."""
    values = {"status": answer.status, "headers": answer.headers, "body": answer.body}
    session.execute(update(IdempotencyAnswer).where(*_is(request)).values(values))


def forget_answers(session: Session, now: datetime) -> int:
    """Delete what nobody may ask for any more; return how many there were."""
    old = delete(IdempotencyAnswer).where(IdempotencyAnswer.created_at < now - KEPT)
    return len(session.scalars(old.returning(IdempotencyAnswer.key)).all())


def _forget(session: Session, request: Repeatable, before: datetime) -> None:
    session.execute(delete(IdempotencyAnswer).where(*_is(request), IdempotencyAnswer.created_at < before))


def _is(request: Repeatable) -> tuple[ColumnElement[bool], ...]:
    return IdempotencyAnswer.api_key_id == request.api_key_id, IdempotencyAnswer.key == request.key
