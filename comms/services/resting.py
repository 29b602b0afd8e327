"""Since when a therapist is left in peace after a no: from all that is known of an email, by letter and by phone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, type_coerce, union_all
from sqlalchemy.orm import Session

from comms.rules.states import Outcome
from comms.store.models import EmailBatch, PhoneCall, PhoneCallBatch, UtcDateTime

Word = tuple[str, datetime | None]


def rests_after(session: Session, email_ids: Collection[int], zone: ZoneInfo) -> dict[int, date | None]:
    """The local date of each email's latest rejection; None if somebody in it is accepted or needs follow-up.

    About each request the latest word counts, whatever road it came. Nothing said at all is None too.
    """
    words = _words(session, email_ids)
    return {id_: _latest_rejection(list(words[id_].values()), zone) for id_ in email_ids}


def _latest_rejection(words: Collection[Word], zone: ZoneInfo) -> date | None:
    if any(outcome != Outcome.REJECTED for outcome, _ in words):
        return None
    return max((at.astimezone(zone).date() for _, at in words if at), default=None)


def _words(session: Session, email_ids: Collection[int]) -> dict[int, dict[int, Word]]:
    """The latest word about each request, {email: {request: (outcome, instant)}}."""
    ids = sorted(email_ids)
    by_letter = select(
        EmailBatch.email_id, EmailBatch.placement_request_id, EmailBatch.response_outcome, EmailBatch.responded_at
    ).where(EmailBatch.email_id.in_(ids), EmailBatch.response_outcome.is_not(None))
    by_phone = (
        select(
            PhoneCallBatch.email_id, PhoneCallBatch.placement_request_id, PhoneCallBatch.outcome, PhoneCall.actual_at
        )
        .join(PhoneCall, PhoneCall.id == PhoneCallBatch.phone_call_id)
        .where(PhoneCallBatch.email_id.in_(ids), PhoneCallBatch.outcome.is_not(None))
    )
    said = union_all(by_letter, by_phone).subquery()
    email_id, request_id, outcome, at = said.c
    query = select(email_id, request_id, outcome, type_coerce(at, UtcDateTime)).order_by(at.is_not(None), at)
    found: dict[int, dict[int, Word]] = defaultdict(dict)
    for email, request, word, instant in session.execute(query):
        found[email][request] = word, instant
    return found
