"""What a therapist answered to an email, as a whole and for each request in it; answers can be corrected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from comms.errors import BadInput, Conflict, NotFound
from comms.rules.policy import BERLIN
from comms.rules.states import EmailStatus, Outcome, RequestStatus
from comms.services.answer_rows import date_outcomes, write_answer, write_notes, write_outcomes
from comms.services.calls import remove_from_calls
from comms.services.earlier import stop_reminders
from comms.services.emails.resolving import it_arrived
from comms.services.events import announce_responses
from comms.services.outcomes import settle_requests
from comms.services.places import lock_with_patients
from comms.services.unfinished import forget_last_tries, list_unfinished
from comms.store.models import Email, EmailBatch, PlacementRequest
from comms.store.staff import audit


@dataclass(frozen=True)
class Answer:
    """What is known after recording: `outcomes` by request, `missing` the requests that still wait for one."""

    email_id: int
    changed: bool
    outcomes: dict[int, Outcome]
    missing: tuple[int, ...]
    placed_elsewhere: tuple[int, ...]
    """Accepted requests whose patient has been accepted by somebody else too: a person has to choose."""


def record_answer(
    session: Session,
    email_id: int,
    outcomes: Mapping[int, Outcome],
    now: datetime,
    actor: str,
    source: str = "staff",
    content: str | None = None,
    response_date: datetime | None = None,
    zone: ZoneInfo = BERLIN,
    notes: Mapping[int, str | None] | None = None,
) -> Answer:
    """Record or correct an answer; outcomes, notes and words that are not given stay as they were recorded.

    `source` is published. `content` (what the therapist wrote; "" takes it away) and `notes` by request (None takes
    one away) are kept in their columns and nowhere else. The cooling period counts from the date in `zone`. Raises
    NotFound, BadInput for a request that is not in this email, and Conflict while it was not sent, or if it speaks of
    an earlier one itself.
    """
    said = _Said(outcomes, notes or {}, content, response_date)
    email = _lock_answerable(session, email_id)
    check_date(response_date, email.created_at, now, "date")
    _check_asked(session, email_id, said)
    stop_reminders(session, email_id, now)
    changed, corrected = _write(session, email, said, now, zone)
    news = bool(changed) or not email.response_received
    if email.status == EmailStatus.IN_DOUBT:
        it_arrived(session, email_id, now)
    remove_from_calls(session, now, "answered", email_ids=[email_id])
    settle_requests(session, changed, now)
    list_unfinished(session, _asked(session, email_id), now)
    forget_last_tries(session, email_id, now)
    if news:
        announce_responses(session, f"email:{email_id}", email.therapist_id, changed or {None: None}, source, now)
    if news or corrected:
        codes = {str(id_): outcome for id_, outcome in changed.items()}
        audit(session, actor, "email.respond", "email", email_id, now, outcomes=codes, source=source)
    return _known(session, email_id, news)


@dataclass(frozen=True)
class _Said:
    outcomes: Mapping[int, Outcome]
    notes: Mapping[int, str | None]
    content: str | None
    date: datetime | None


@dataclass(frozen=True)
class _Answerable:
    """The email as it was before the answer."""

    id: int
    status: str
    therapist_id: int
    created_at: datetime
    response_received: bool
    response_date: datetime | None
    response_content: str | None
    handed_over_at: datetime | None
    replies_to_email_id: int | None


def _write(
    session: Session, email: _Answerable, said: _Said, now: datetime, zone: ZoneInfo
) -> tuple[dict[int, Outcome], bool]:
    """Return the outcomes that are new, and whether anything else is."""
    changed = write_outcomes(session, email.id, said.outcomes, said.date or now)
    redated = bool(said.date and date_outcomes(session, email.id, said.outcomes, email.response_date, said.date))
    noted = write_notes(session, email.id, said.notes)
    words = (email.response_content if said.content is None else said.content) or None
    at = said.date or email.response_date or now
    return changed, write_answer(session, email.id, words, at, now, zone) or redated or noted


def _lock_answerable(session: Session, email_id: int) -> _Answerable:
    lock_with_patients(session, email_id)
    columns = (getattr(Email, name) for name in _Answerable.__dataclass_fields__)
    row = session.execute(select(*columns).where(Email.id == email_id)).one_or_none()
    if row is None:
        raise NotFound("email", email_id)
    email = _Answerable(**row._mapping)
    if email.replies_to_email_id is not None:
        raise Conflict(f"email {email_id} speaks of email {email.replies_to_email_id}: record the answer on that one")
    if email.status in (EmailStatus.SENT, EmailStatus.IN_DOUBT, EmailStatus.BOUNCED):
        return email
    if email.status == EmailStatus.CANCELED and email.handed_over_at:
        return email  # it was in doubt, and the answer shows that it arrived
    raise Conflict(f"email {email_id} is {email.status}: only an email that was sent can be answered")


def _asked(session: Session, email_id: int) -> list[int]:
    query = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email_id, EmailBatch.included)
    return list(session.scalars(query.order_by(EmailBatch.priority, EmailBatch.id)))


def check_date(at: datetime | None, created_at: datetime, now: datetime, where: str) -> None:
    """BadInput for an answer from the future, or from before its email; a day is left to who knows the date alone."""
    if at and at > now:
        raise BadInput("an answer cannot come in the future", where=where)
    if at and at < created_at - timedelta(days=1):
        raise BadInput("an answer cannot come before its email", where=where)


def _check_asked(session: Session, email_id: int, said: _Said) -> None:
    strangers = sorted({*said.outcomes, *said.notes} - set(_asked(session, email_id)))
    if strangers:
        named = ", ".join(map(str, strangers))
        raise BadInput(f"email {email_id} does not ask about placement request {named}", where="answer")


def _known(session: Session, email_id: int, changed: bool) -> Answer:
    rows = session.execute(
        select(EmailBatch.placement_request_id, EmailBatch.response_outcome, PlacementRequest.status)
        .join(PlacementRequest, PlacementRequest.id == EmailBatch.placement_request_id)
        .where(EmailBatch.email_id == email_id, EmailBatch.included)
        .order_by(EmailBatch.priority, EmailBatch.id)
    ).all()
    outcomes = {id_: Outcome(outcome) for id_, outcome, _ in rows if outcome}
    missing = tuple(id_ for id_, outcome, status in rows if not outcome and status == RequestStatus.IN_PROGRESS)
    accepted = [id_ for id_, _, status in rows if status == RequestStatus.ACCEPTED]
    return Answer(email_id, changed, outcomes, missing, _placed_elsewhere(session, accepted))


def _placed_elsewhere(session: Session, request_ids: Collection[int]) -> tuple[int, ...]:
    other = aliased(PlacementRequest)
    also = exists().where(
        other.patient_id == PlacementRequest.patient_id,
        other.status == RequestStatus.ACCEPTED,
        other.id != PlacementRequest.id,
    )
    query = select(PlacementRequest.id).where(PlacementRequest.id.in_(request_ids), also)
    return tuple(session.scalars(query.order_by(PlacementRequest.id)))
