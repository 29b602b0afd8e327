"""What a person changes of an email field by field: its status, what came back, notes for the next colleague."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select, update
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, MoveNotAllowed, NotFound
from comms.rules.policy import ContactPolicy
from comms.rules.states import EmailStatus, verbs_from
from comms.services.answers import check_date, record_answer
from comms.services.emails.canceling import cancel_email
from comms.services.emails.queueing import EnsureBytes, queue_email, requeue_email
from comms.services.places import lock_with_patients
from comms.services.retracting import retract_answer
from comms.store.models import Email
from comms.store.staff import audit

_NOTES = ("follow_up_required", "follow_up_notes")
_ANSWER = ("response_date", "response_content")


def change_email(
    session: Session,
    email_id: int,
    given: Mapping[str, Any],
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    ensure_bytes: EnsureBytes,
) -> None:
    """Change what is `given`, names as in the contract; what is given as it stands already changes nothing.

    Moves and answers are those of the verbs and refused for the same reasons, all or nothing.
    """
    lock_with_patients(session, email_id)
    query = select(Email.status, Email.response_received, Email.created_at).where(Email.id == email_id)
    email = session.execute(query).one_or_none()
    if email is None:
        raise NotFound("email", email_id)
    if given.get("status", email.status) != email.status:
        _move(session, email_id, email.status, given["status"], now, actor, policy, ensure_bytes)
    if given.keys() & {"response_received", *_ANSWER}:
        _answer(session, email_id, email, given, now, actor, policy)
    _note(session, email_id, {name: given[name] for name in _NOTES if name in given}, now, actor)


def _move(
    session: Session,
    email_id: int,
    status: str,
    wanted: EmailStatus,
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    ensure_bytes: EnsureBytes,
) -> None:
    if wanted is EmailStatus.CANCELED:
        cancel_email(session, email_id, now, actor)
    elif wanted is EmailStatus.QUEUED and status == EmailStatus.FAILED:
        requeue_email(session, email_id, now, actor, policy)
    elif wanted is EmailStatus.QUEUED:
        queue_email(session, email_id, now, actor, policy, ensure_bytes=ensure_bytes)
    else:
        raise MoveNotAllowed(f"email {email_id}", status, f"be put to {wanted}", verbs_from("email", status))


def _answer(
    session: Session,
    email_id: int,
    email: Row[str, bool, datetime],
    given: Mapping[str, Any],
    now: datetime,
    actor: str,
    policy: ContactPolicy,
) -> None:
    """Record an answer as a whole, correct it, or take it back."""
    words = {name: given[name] for name in _ANSWER if name in given}
    if not given.get("response_received", email.response_received):
        _require_no_words(email_id, words, taken_back="response_received" in given)
        if email.response_received:
            retract_answer(session, email_id, now, actor)
        return
    if words.get("response_date", now) is None:
        raise BadInput("an answer has a date; without the field it is now", where="body.response_date")
    check_date(words.get("response_date"), email.created_at, now, "body.response_date")
    if words or not email.response_received:
        content = words["response_content"] or "" if "response_content" in words else None
        date = words.get("response_date")
        record_answer(session, email_id, {}, now, actor, content=content, response_date=date, zone=policy.zone)


def _require_no_words(email_id: int, words: Mapping[str, Any], taken_back: bool) -> None:
    """What nobody wrote has no date; null says nothing and is fine."""
    said = [name for name, value in words.items() if value is not None]
    if said and taken_back:
        raise BadInput("there is none without an answer", where=f"body.{said[0]}")
    if said:
        raise Conflict(f"email {email_id} has no answer yet: send response_received true with {said[0]}")


def _note(session: Session, email_id: int, notes: Mapping[str, Any], now: datetime, actor: str) -> None:
    if not notes:
        return
    is_new = or_(*(getattr(Email, name).is_distinct_from(value) for name, value in notes.items()))
    noted = session.scalar(
        update(Email)
        .where(Email.id == email_id, is_new)
        .values(**notes, version=Email.version + 1, updated_at=now)
        .returning(Email.id)
        .execution_options(synchronize_session=False)
    )
    if noted is not None:
        audit(session, actor, "email.note", "email", email_id, now, fields=sorted(notes))
