"""Emails out of which somebody was withdrawn while they waited: written again before they are claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.errors import CommsError
from comms.rules.states import EmailStatus
from comms.services.correspondence import Correspondence
from comms.services.earlier import load_earlier, stop_needless_reminders
from comms.services.letters.context import EarlierEmail, PatientLine
from comms.services.places import cancel_hopeless, drop_ended_places
from comms.store.models import Email, EmailBatch
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item

CHUNK_SIZE = 50


@dataclass(frozen=True)
class Refreshed:
    """Counts: `written` again, `canceled` because nobody is left, `unwritable` and on the staff list."""

    written: int = 0
    canceled: int = 0
    unwritable: int = 0


class Stale(NamedTuple):
    """A letter to be written again, with all that is said in it."""

    email: Email
    lines: list[PatientLine]
    earlier: EarlierEmail | None


def refresh_stale_emails(sessions: Sessions, correspondence: Correspondence, now: datetime) -> Refreshed:
    """Write every stale waiting email again from its frozen facts, in chunks; safe beside any sender or withdrawal.

    Rendering happens outside any transaction; a row that changed meanwhile stays stale for the next call.
    """
    with writing(sessions) as session:
        needless = stop_needless_reminders(session, now)
        total, last = Refreshed(canceled=len(needless) + len(drop_ended_places(session, now))), 0
    while stale := _next_stale(sessions, correspondence.zone, after=last):
        last = stale[-1].email.id
        chunk = _refresh(sessions, correspondence, stale, now)
        total = Refreshed(
            total.written + chunk.written, total.canceled + chunk.canceled, total.unwritable + chunk.unwritable
        )
    return total


def _next_stale(sessions: Sessions, zone: ZoneInfo, after: int) -> list[Stale]:
    with reading(sessions) as session:
        emails = list(
            session.scalars(
                select(Email)
                .where(
                    Email.stale,
                    Email.status == EmailStatus.QUEUED,
                    Email.handed_over_at.is_(None),
                    Email.id > after,
                )
                .order_by(Email.id)
                .limit(CHUNK_SIZE)
            )
        )
        lines = _lines(session, [email.id for email in emails])
        speaks_of = {email.id: email.replies_to_email_id or 0 for email in emails}
        earlier = load_earlier(session, speaks_of.values(), zone)
        session.expunge_all()
    return [Stale(email, lines.get(email.id, []), earlier.get(speaks_of[email.id])) for email in emails]


def _lines(session: Session, email_ids: Sequence[int]) -> dict[int, list[PatientLine]]:
    query = (
        select(EmailBatch.email_id, EmailBatch.number, EmailBatch.facts)
        .where(EmailBatch.email_id.in_(email_ids), EmailBatch.included)
        .order_by(EmailBatch.priority, EmailBatch.id)
    )
    found: dict[int, list[PatientLine]] = {}
    for email_id, number, facts in session.execute(query):
        found.setdefault(email_id, []).append(PatientLine(number, facts or {}))
    return found


def _refresh(sessions: Sessions, correspondence: Correspondence, stale: Sequence[Stale], now: datetime) -> Refreshed:
    letters, unwritable = {}, []
    for email, lines, earlier in stale:
        try:
            letters[email.id] = (email.version, correspondence.write_again(email, lines, earlier)) if lines else None
        except CommsError as error:
            unwritable.append((email, error.code))
    with writing(sessions) as session:
        written = sum(_store(session, id_, *letter, now) for id_, letter in letters.items() if letter)
        canceled = len(cancel_hopeless(session, [id_ for id_, letter in letters.items() if not letter], now))
        for email, code in unwritable:
            raise_item(
                session, "email", email.id, "letter_not_rendered", now,
                therapist_id=email.therapist_id, details={"code": code},
            )  # fmt: skip
    return Refreshed(written, canceled, len(unwritable))


def _store(session: Session, id_: int, version: int, values: dict[str, object], now: datetime) -> int:
    """Store a letter written again, unless the email changed since it was read; returns how many rows that was."""
    done = session.execute(
        update(Email)
        .where(
            Email.id == id_,
            Email.version == version,
            Email.status == EmailStatus.QUEUED,
            Email.handed_over_at.is_(None),
        )
        .values(**values, version=Email.version + 1, updated_at=now)
        .returning(Email.id)
        .execution_options(synchronize_session=False)
    )
    return len(done.all())
