"""What happened before the sample was loaded: emails without an answer, emails of this week, refusals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from comms.rules.policy import BERLIN, ContactPolicy, Identity
from comms.rules.states import Outcome, RequestStatus
from comms.sample.therapists import ASKED_RECENTLY, FIRST_ID, REJECTED, UNANSWERED, part_of
from comms.services.answers import record_answer
from comms.services.batching.creating import create_emails
from comms.services.batching.preparing import PlannedEmail, load_people, prepare_emails
from comms.services.correspondence import Correspondence
from comms.services.letters.render import Letters
from comms.services.sending.effects import after_sent
from comms.store.models import DeliveryAttempt, Email, EmailBatch, PlacementRequest
from comms.store.session import Sessions, writing
from comms.store.transitions import move_emails

_CHUNK = 50
_AT_MOST = 3
"""Requests in a past email; the therapist's others wait."""
_OWNER = "sample"


@dataclass(frozen=True)
class Past:
    """One kind of past: who has it, how long ago the email went out, and how long ago it was refused, if it was."""

    name: str
    parts: frozenset[int]
    sent: timedelta
    refused: timedelta | None = None


PASTS = (
    Past("rejected", REJECTED, timedelta(days=16), timedelta(days=14)),
    Past("unanswered", UNANSWERED, timedelta(days=8)),
    Past("asked_recently", ASKED_RECENTLY, timedelta(days=3)),
)


def own_correspondence() -> Correspondence:
    """Templates as they are shipped, and an identity that is nobody's."""
    identity = Identity(
        sender="vermittlung@platzsuche.example",
        sender_name="Vermittlung Psychotherapie",
        reply_to="antwort@platzsuche.example",
        unsubscribe="abmeldung@platzsuche.example",
        legal_footer="Platzsuche (Beispiel) · Musterstraße 1 · 10115 Berlin",
        organisation="Platzsuche (Beispiel)",
    )
    return Correspondence(Letters(), identity, BERLIN)


def write_history(
    sessions: Sessions, therapists: int, now: datetime, correspondence: Correspondence | None = None
) -> Counter[str]:
    """Write the past emails that are not there yet; return how many by the name of their past."""
    written: Counter[str] = Counter()
    for past in PASTS:
        ids = [FIRST_ID + number for number in range(therapists) if part_of(number) in past.parts]
        for start in range(0, len(ids), _CHUNK):
            with writing(sessions) as session:
                letters = correspondence or own_correspondence()
                emails = _send(session, ids[start : start + _CHUNK], now - past.sent, letters)
                if past.refused:
                    _refuse(session, emails, now - past.refused)
            written[past.name] += len(emails)
    return +written


def _send(session: Session, therapist_ids: Collection[int], at: datetime, letters: Correspondence) -> list[int]:
    """Let the emails of a chunk be made and sent as if it were `at`; those who ever got one are left alone."""
    planned = _plan(session, therapist_ids)
    prepared = prepare_emails(planned, *load_people(session, planned), letters, at)
    ids = sorted(create_emails(session, prepared.written, at, ContactPolicy(), "sample").emails.values())
    if ids:
        _hand_over(session, ids, at)
    return ids


def _plan(session: Session, therapist_ids: Collection[int]) -> list[PlannedEmail]:
    asked = select(Email.therapist_id).where(Email.therapist_id.in_(therapist_ids))
    query = select(PlacementRequest.therapist_id, PlacementRequest.id).where(
        PlacementRequest.therapist_id.in_(therapist_ids),
        PlacementRequest.therapist_id.not_in(asked),
        PlacementRequest.status == RequestStatus.OPEN,
    )
    waiting: dict[int, list[int]] = defaultdict(list)
    for therapist_id, request_id in session.execute(query.order_by(PlacementRequest.id)):
        waiting[therapist_id].append(request_id)
    return [PlannedEmail(id_, tuple(requests[:_AT_MOST])) for id_, requests in sorted(waiting.items())]


def _hand_over(session: Session, ids: Sequence[int], at: datetime) -> None:
    """Go the way of every email: claimed, handed over, taken by the relay."""
    lease = at + timedelta(minutes=5)
    move_emails(
        session, "claim", ids, at, owner=_OWNER, lease_until=lease, attempt=1, first_attempt_at=at, handed_over_at=at
    )
    session.execute(insert(DeliveryAttempt), list(_attempts(ids, at)))
    move_emails(session, "accept", ids, at, sent_at=at)
    after_sent(session, ids, at)


def _attempts(ids: Iterable[int], at: datetime) -> Iterable[dict[str, object]]:
    took = {"started_at": at, "handed_over_at": at, "finished_at": at, "outcome": "accept", "phase": "content"}
    return ({"email_id": id_, "attempt": 1, "owner": _OWNER, "code": 250} | took for id_ in ids)


def _refuse(session: Session, email_ids: Collection[int], at: datetime) -> None:
    query = select(EmailBatch.email_id, EmailBatch.placement_request_id).where(EmailBatch.email_id.in_(email_ids))
    asked: dict[int, dict[int, Outcome]] = defaultdict(dict)
    for email_id, request_id in session.execute(query):
        asked[email_id][request_id] = Outcome.REJECTED
    for email_id, outcomes in sorted(asked.items()):
        record_answer(session, email_id, outcomes, at, actor=_OWNER, source=_OWNER)
