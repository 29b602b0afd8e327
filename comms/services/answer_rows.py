"""What an answer writes: outcomes and notes for each request, and what is known of the email as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Text, case, literal, or_, select, update
from sqlalchemy.orm import Session

from comms.rules.states import Outcome
from comms.services.resting import rests_after
from comms.store.models import Email, EmailBatch


def write_outcomes(
    session: Session, email_id: int, outcomes: Mapping[int, Outcome], at: datetime
) -> dict[int, Outcome]:
    """Write them by kind, at most three statements; return those that were not recorded so before."""
    changed: set[int] = set()
    for outcome in Outcome:
        ids = [id_ for id_, given in outcomes.items() if given == outcome]
        if not ids:
            continue
        changed.update(
            session.scalars(
                update(EmailBatch)
                .where(
                    EmailBatch.email_id == email_id,
                    EmailBatch.placement_request_id.in_(ids),
                    or_(EmailBatch.response_outcome.is_(None), EmailBatch.response_outcome != outcome),
                )
                .values(response_outcome=outcome, responded_at=at, live=False, version=EmailBatch.version + 1)
                .returning(EmailBatch.placement_request_id)
                .execution_options(synchronize_session=False)
            )
        )
    return {id_: outcomes[id_] for id_ in sorted(changed)}


def date_outcomes(
    session: Session, email_id: int, named: Collection[int], before: datetime | None, to: datetime
) -> bool:
    """Correct when it was said: for those `named`, and for all that came with the answer so far dated `before`."""
    came_with_it = or_(EmailBatch.placement_request_id.in_(sorted(named)), EmailBatch.responded_at == before)
    moved = session.scalars(
        update(EmailBatch)
        .where(
            EmailBatch.email_id == email_id,
            EmailBatch.response_outcome.is_not(None),
            EmailBatch.responded_at != to,
            came_with_it,
        )
        .values(responded_at=to, version=EmailBatch.version + 1)
        .returning(EmailBatch.id)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.all())


def write_notes(session: Session, email_id: int, notes: Mapping[int, str | None]) -> bool:
    """Write what was said about single requests, None clears; return whether any of it is new."""
    rows = session.execute(
        select(EmailBatch.placement_request_id, EmailBatch.response_notes).where(
            EmailBatch.email_id == email_id, EmailBatch.placement_request_id.in_(sorted(notes))
        )
    )
    new = {id_: literal(notes[id_], Text) for id_, known in rows if known != notes[id_]}
    if not new:
        return False
    session.execute(
        update(EmailBatch)
        .where(EmailBatch.email_id == email_id, EmailBatch.placement_request_id.in_(sorted(new)))
        .values(response_notes=case(new, value=EmailBatch.placement_request_id), version=EmailBatch.version + 1)
        .execution_options(synchronize_session=False)
    )
    return True


def write_answer(
    session: Session, email_id: int, content: str | None, answered_at: datetime, now: datetime, zone: ZoneInfo
) -> bool:
    """Bring the email to what is known of the answer; return whether anything of it is new."""
    known: dict[Any, Any] = {
        Email.response_received: True,
        Email.response_date: answered_at,
        Email.response_content: content,
        Email.rejected_on: rests_after(session, [email_id], zone)[email_id],
    }
    is_new = or_(*(column.is_distinct_from(value) for column, value in known.items()))
    written = session.scalars(
        update(Email)
        .where(Email.id == email_id, is_new)
        .values({**known, Email.version: Email.version + 1, Email.updated_at: now})
        .returning(Email.id)
        .execution_options(synchronize_session=False)
    )
    return bool(written.all())
