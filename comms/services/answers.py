"""What a therapist answered to an email, as a whole and for each request in it; answers can be corrected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from comms.errors import BadInput, Conflict, NotFound
from comms.rules.policy import BERLIN
from comms.rules.states import EmailStatus, Outcome, RequestStatus
from comms.services.calls import remove_from_calls
from comms.services.emails.resolving import it_arrived
from comms.services.events import announce_responses
from comms.services.outcomes import settle_requests
from comms.services.places import lock_emails, lock_patients
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
) -> Answer:
    """Record or correct an answer; outcomes that are not given stay as they were recorded.

    `source` is published, `content` (what the therapist wrote) is kept in its column and nowhere else. The cooling
    period counts from the date in `zone`. Raises NotFound, BadInput for a request that is not in this email, and
    Conflict while the email was not sent.
    """
    email = _lock_answerable(session, email_id)
    _check(session, email_id, outcomes, now, response_date)
    changed = _write_outcomes(session, email_id, outcomes, response_date or now)
    news = bool(changed) or not email.response_received
    if news or response_date is not None or content not in (None, email.response_content):
        _write_answer(session, email, content, response_date or email.response_date or now, now, zone)
    if email.status == EmailStatus.IN_DOUBT:
        it_arrived(session, email_id, now)
    remove_from_calls(session, now, "answered", email_ids=[email_id])
    settle_requests(session, changed, now)
    list_unfinished(session, _asked(session, email_id), now)
    forget_last_tries(session, email_id, now)
    if news:
        announce_responses(session, f"email:{email_id}", email.therapist_id, changed or {None: None}, source, now)
        codes = {str(id_): outcome for id_, outcome in changed.items()}
        audit(session, actor, "email.respond", "email", email_id, now, outcomes=codes, source=source)
    return _known(session, email_id, news)


@dataclass(frozen=True)
class _Answerable:
    """The email as it was before the answer."""

    id: int
    status: str
    therapist_id: int
    response_received: bool
    response_date: datetime | None
    response_content: str | None
    handed_over_at: datetime | None


def _lock_answerable(session: Session, email_id: int) -> _Answerable:
    lock_patients(session, _asked(session, email_id))
    lock_emails(session, Email.id == email_id)
    columns = (getattr(Email, name) for name in _Answerable.__dataclass_fields__)
    row = session.execute(select(*columns).where(Email.id == email_id)).one_or_none()
    if row is None:
        raise NotFound("email", email_id)
    email = _Answerable(**row._mapping)
    if email.status in (EmailStatus.SENT, EmailStatus.IN_DOUBT, EmailStatus.BOUNCED):
        return email
    if email.status == EmailStatus.CANCELED and email.handed_over_at:
        return email  # it was in doubt, and the answer shows that it arrived
    raise Conflict(f"email {email_id} is {email.status}: only an email that was sent can be answered")


def _asked(session: Session, email_id: int) -> list[int]:
    query = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email_id, EmailBatch.included)
    return list(session.scalars(query.order_by(EmailBatch.priority, EmailBatch.id)))


def _check(
    session: Session, email_id: int, outcomes: Collection[int], now: datetime, response_date: datetime | None
) -> None:
    strangers = sorted(set(outcomes) - set(_asked(session, email_id)))
    if strangers:
        named = ", ".join(map(str, strangers))
        raise BadInput(f"email {email_id} does not ask about placement request {named}", where="answer")
    if response_date and response_date > now:
        raise BadInput("an answer cannot come in the future", where="date")


def _write_outcomes(
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


def _write_answer(
    session: Session, email: _Answerable, content: str | None, answered_at: datetime, now: datetime, zone: ZoneInfo
) -> None:
    session.execute(
        update(Email)
        .where(Email.id == email.id)
        .values(
            response_received=True,
            response_date=answered_at,
            response_content=email.response_content if content is None else content,
            rejected_on=_rejected_on(session, email.id, zone),
            version=Email.version + 1,
            updated_at=now,
        )
        .execution_options(synchronize_session=False)
    )


def _rejected_on(session: Session, email_id: int, zone: ZoneInfo) -> date | None:
    """The latest rejection's local date, unless somebody in the email is accepted or needs follow-up."""
    query = select(EmailBatch.response_outcome, EmailBatch.responded_at).where(
        EmailBatch.email_id == email_id, EmailBatch.response_outcome.is_not(None)
    )
    answers = session.execute(query).all()
    if any(outcome != Outcome.REJECTED for outcome, _ in answers):
        return None
    return max((at.astimezone(zone).date() for _, at in answers if at), default=None)


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
