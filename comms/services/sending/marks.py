"""The mark, committed before the final dot, and the answer, committed before the next mark of its connection."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.orm import Session

from comms.rules.states import EmailStatus
from comms.services.sending.channel import codes
from comms.services.sending.values import Claimed, Result
from comms.store.models import DeliveryAttempt, Email, UtcDateTime, table_of

_EMAILS = table_of(Email)
_ATTEMPTS = table_of(DeliveryAttempt)

# Built once: these run for every email, and building them costs more than running them.
_MARK = (
    update(_EMAILS)
    .where(
        tuple_(_EMAILS.c.id, _EMAILS.c.attempt, _EMAILS.c.version).in_(bindparam("held", expanding=True)),
        _EMAILS.c.owner == bindparam("by"),
        _EMAILS.c.status == EmailStatus.SENDING.value,
        _EMAILS.c.lease_until > bindparam("at", type_=UtcDateTime()),
    )
    .values(handed_over_at=bindparam("at"), updated_at=bindparam("at"))
    .returning(_EMAILS.c.id)
)
_MARK_ATTEMPTS = (
    update(_ATTEMPTS)
    .where(tuple_(_ATTEMPTS.c.email_id, _ATTEMPTS.c.attempt).in_(bindparam("granted", expanding=True)))
    .values(handed_over_at=bindparam("at"))
)
_NOTE = (
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.email_id == bindparam("of_email"), _ATTEMPTS.c.attempt == bindparam("number"))
    .values({name: bindparam(name) for name in ("finished_at", "phase", "code", "enhanced", "fault")})
)


def grant_marks(session: Session, owner: str, asked: Collection[Claimed], at: datetime) -> set[int]:
    """Write down that these emails are about to be handed over; return the ids that may be.

    Not granted: the lease ran out, somebody else holds it, or it was changed (a withdrawal) since the claim.
    """
    if not asked:
        return set()
    connection = session.connection()
    held = [(c.email_id, c.attempt, c.version) for c in asked]
    granted = set(connection.execute(_MARK, {"held": held, "by": owner, "at": at}).scalars())
    if granted:
        attempts = [(c.email_id, c.attempt) for c in asked if c.email_id in granted]
        connection.execute(_MARK_ATTEMPTS, {"granted": attempts, "at": at})
    return granted


def note_answers(session: Session, results: Collection[Result], at: datetime) -> None:
    """Write down what the relay said, before anything follows from it: from here on a crash loses no answer.

    An attempt that is `finished_at` and has no `outcome` is answered and waits to be settled, if need be by a rescue.
    """
    rows = [_answer(result, at) for result in results]
    if rows:
        session.connection().execute(_NOTE, rows)


def _answer(result: Result, at: datetime) -> dict[str, object]:
    claimed = result.claimed
    return {"of_email": claimed.email_id, "number": claimed.attempt, "finished_at": at} | codes(result.reply)


def hand_overs(session: Session, ids: Collection[int]) -> dict[int, datetime]:
    """When these emails were handed over; those that were not are missing."""
    query = select(Email.id, Email.handed_over_at).where(Email.id.in_(ids), Email.handed_over_at.is_not(None))
    return {id_: at for id_, at in session.execute(query) if at}
