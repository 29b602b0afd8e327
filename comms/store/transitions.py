"""Changes of status, and nothing but by these: compare-and-set on status (and version), together with what must follow.

Every function returns what it really moved; a row that somebody else moved first is simply not in the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from comms.errors import Conflict, LostRace, MoveNotAllowed, NotFound
from comms.rules.states import LIVE_EMAIL, Move, move, verbs_from
from comms.store.models import CallCell, Email, EmailBatch, PhoneCall, PhoneCallBatch

_LEASE_FREE = {"owner": None, "lease_until": None}


def move_emails(
    session: Session,
    verb: str,
    ids: Collection[int],
    now: datetime,
    *conditions: ColumnElement[bool],
    **values: Any,
) -> dict[int, int]:
    """Apply one verb to many emails; return {id: new version} of those that moved.

    Ends (or begins) their live places in the same statement group: a request is held by at most one live email, and
    queueing one whose request is live elsewhere raises Conflict.
    """
    arrow = move("email", verb)
    changes = values if arrow.target == "sending" else {**_LEASE_FREE, **values}
    moved = session.execute(
        update(Email)
        .where(Email.id.in_(sorted(ids)), Email.status.in_(sorted(arrow.sources)), *conditions)
        .values(status=arrow.target, version=Email.version + 1, updated_at=now, **changes)
        .returning(Email.id, Email.version)
        .execution_options(synchronize_session=False)
    )
    versions = {row.id: row.version for row in moved}
    _follow_places(session, list(versions), arrow)
    return versions


def _follow_places(session: Session, ids: Sequence[int], arrow: Move) -> None:
    live = arrow.target in LIVE_EMAIL
    if not ids or (live and arrow.sources <= LIVE_EMAIL):
        return  # held before and after: a place that ended meanwhile stays ended
    change = update(EmailBatch).where(EmailBatch.email_id.in_(ids), EmailBatch.live != live)
    if live:
        holding = select(Email.id).where(Email.id.in_(ids), Email.replies_to_email_id.is_(None))
        change = change.where(
            EmailBatch.email_id.in_(holding), EmailBatch.included, EmailBatch.response_outcome.is_(None)
        )
    try:
        with session.begin_nested():
            session.execute(change.values(live=live).execution_options(synchronize_session=False))
    except IntegrityError as error:
        raise Conflict("a placement request of this email already waits in another live email") from error


def move_email(
    session: Session, verb: str, id_: int, now: datetime, *, version: int | None = None, **values: Any
) -> int:
    """Apply one verb to one email and return its new version; NotFound, MoveNotAllowed or LostRace otherwise."""
    conditions = [] if version is None else [Email.version == version]
    moved = move_emails(session, verb, [id_], now, *conditions, **values)
    if id_ in moved:
        return moved[id_]
    status = session.scalar(select(Email.status).where(Email.id == id_))
    raise _why_not("email", id_, status, verb)


def move_call(
    session: Session, verb: str, id_: int, now: datetime, *, version: int | None = None, **values: Any
) -> int:
    """Apply one verb to one call and return its new version; frees its cells and places where it ends.

    Contact keys are the caller's matter (`store.contacts`): only it knows whether a contact happened.
    """
    arrow = move("call", verb)
    change = update(PhoneCall).where(PhoneCall.id == id_, PhoneCall.status.in_(sorted(arrow.sources)))
    if version is not None:
        change = change.where(PhoneCall.version == version)
    new = session.scalar(
        change.values(status=arrow.target, version=PhoneCall.version + 1, updated_at=now, **values)
        .returning(PhoneCall.version)
        .execution_options(synchronize_session=False)
    )
    if new is None:
        status = session.scalar(select(PhoneCall.status).where(PhoneCall.id == id_))
        raise _why_not("call", id_, status, verb)
    _end_call_places(session, id_, arrow.target)
    return new


def _end_call_places(session: Session, call_id: int, target: str) -> None:
    over = update(PhoneCallBatch).where(PhoneCallBatch.phone_call_id == call_id, PhoneCallBatch.live)
    session.execute(over.values(live=False).execution_options(synchronize_session=False))
    if target in ("failed", "canceled"):
        session.execute(delete(CallCell).where(CallCell.phone_call_id == call_id))


def _why_not(kind: str, id_: int, status: str | None, verb: str) -> Exception:
    if status is None:
        return NotFound("email" if kind == "email" else "phone call", id_)
    if status in move(kind, verb).sources:
        return LostRace(f"{kind} {id_} was changed by somebody else; load it again")
    return MoveNotAllowed(f"{kind} {id_}", status, verb, verbs_from(kind, status))
