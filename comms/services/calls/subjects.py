"""What a call that a person books is about: the requests that are named, and the emails in which they wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, LostRace
from comms.rules.states import OPEN_REQUEST, EmailStatus, Outcome, PhoneCallStatus, RequestStatus
from comms.services.calls.conditions import IN_A_CALL, UNANSWERED
from comms.services.calls.needs import Place
from comms.services.intake.stubs import keep_request_stubs
from comms.services.places import lock_emails
from comms.store.models import Email, EmailBatch, Patient, PhoneCall, PhoneCallBatch, PlacementRequest

WHERE = "body.placement_request_ids"


@dataclass(frozen=True)
class About:
    """`email_ids` are followed up by the call; `is_reply`: all that is named "needs follow-up"."""

    places: tuple[Place, ...] = ()
    email_ids: tuple[int, ...] = ()
    is_reply: bool = False


@dataclass(frozen=True)
class Named:
    """One request that is named, and where it waits."""

    id: int
    therapist_id: int
    status: str
    call_id: int | None
    email_id: int | None
    email_status: str | None
    unanswered: bool | None
    followed_up_at: datetime | None
    needs_follow_up: bool
    answered: bool
    """In an email that was answered, or in a call that reached the therapist."""


def take_up(session: Session, therapist_id: int, request_ids: Collection[int], now: datetime) -> About:
    """Decide what the call is about and lock its emails; Conflict where a request waits elsewhere or is closed.

    A request in an unanswered email brings the whole email with it: it is followed up once, with all who wait in it.
    """
    if not request_ids:
        return About()
    keep_request_stubs(session, request_ids, therapist_id, now)
    named = _load(session, request_ids)
    for request in named:
        _require_free(request, therapist_id)
    emails = sorted({request.email_id for request in named if request.email_id and request.unanswered})
    if emails and lock_emails(session, Email.id.in_(emails), UNANSWERED, Email.followed_up_at.is_(None)) != emails:
        raise LostRace("an email of these placement requests was answered or followed up just now; look again")
    is_reply = not emails and all(request.needs_follow_up for request in named)
    return About(tuple(_places(session, named, emails)), tuple(emails), is_reply)


_IN_EMAIL = and_(EmailBatch.placement_request_id == PlacementRequest.id, EmailBatch.included)
_IN_CALL = and_(PhoneCallBatch.placement_request_id == PlacementRequest.id, PhoneCallBatch.included)
_ANSWERED_EMAIL = and_(_IN_EMAIL, EmailBatch.email_id == Email.id, Email.response_received)
_REACHED_CALL = and_(
    _IN_CALL, PhoneCallBatch.phone_call_id == PhoneCall.id, PhoneCall.status == PhoneCallStatus.COMPLETED
)


def _either(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return or_(*(exists().where(condition).correlate(PlacementRequest) for condition in conditions))


_NEEDS_FOLLOW_UP = _either(
    and_(_IN_EMAIL, EmailBatch.response_outcome == Outcome.NEEDS_FOLLOW_UP),
    and_(_IN_CALL, PhoneCallBatch.outcome == Outcome.NEEDS_FOLLOW_UP),
)
_ANSWERED = _either(_ANSWERED_EMAIL, _REACHED_CALL)


def _load(session: Session, request_ids: Collection[int]) -> list[Named]:
    query = (
        select(
            PlacementRequest.id,
            PlacementRequest.therapist_id,
            PlacementRequest.status,
            PhoneCallBatch.phone_call_id.label("call_id"),
            EmailBatch.email_id,
            Email.status.label("email_status"),
            UNANSWERED.label("unanswered"),
            Email.followed_up_at,
            _NEEDS_FOLLOW_UP.label("needs_follow_up"),
            _ANSWERED.label("answered"),
        )
        .outerjoin(
            PhoneCallBatch, and_(PhoneCallBatch.placement_request_id == PlacementRequest.id, PhoneCallBatch.live)
        )
        .outerjoin(EmailBatch, and_(EmailBatch.placement_request_id == PlacementRequest.id, EmailBatch.live))
        .outerjoin(Email, Email.id == EmailBatch.email_id)
        .where(PlacementRequest.id.in_(sorted(request_ids)))
        .order_by(PlacementRequest.id)
    )
    return [Named(**row._mapping) for row in session.execute(query)]


def _require_free(request: Named, therapist_id: int) -> None:
    if request.therapist_id != therapist_id:
        raise BadInput(f"placement request {request.id} is for another therapist", where=WHERE)
    if reason := why_not_free(request):
        raise Conflict(f"placement request {request.id} {reason}")


def why_not_free(request: Named) -> str | None:
    """Say why a call cannot take this request up; None where it can."""
    if request.status not in OPEN_REQUEST:
        return f"is {request.status}"
    if request.call_id is not None:
        return f"waits in call {request.call_id}"
    if request.email_status in (EmailStatus.QUEUED, EmailStatus.SENDING):
        return f"waits in email {request.email_id}, which is {request.email_status}; cancel that first"
    if request.unanswered and request.followed_up_at:
        return f"waits for the next try of the call that follows up email {request.email_id}"
    if request.status == RequestStatus.OPEN or request.unanswered or request.needs_follow_up or request.answered:
        return None
    return "is in progress elsewhere; the staff list says where"


def _places(session: Session, named: Sequence[Named], email_ids: Collection[int]) -> Iterable[Place]:
    """In the order of the call: those named, and those who wait in the same emails."""
    taken_up = {request.id for request in named if request.status == RequestStatus.IN_PROGRESS}
    brought = and_(EmailBatch.email_id.in_(email_ids), ~IN_A_CALL)
    query = (
        select(PlacementRequest.id, EmailBatch.email_id)
        .outerjoin(EmailBatch, and_(EmailBatch.placement_request_id == PlacementRequest.id, EmailBatch.live))
        .outerjoin(Patient, Patient.id == PlacementRequest.patient_id)
        .where(or_(PlacementRequest.id.in_([request.id for request in named]), brought))
        .order_by(Patient.registered_on.is_(None), Patient.registered_on, PlacementRequest.id)
    )
    return [Place(id_, email_id, taken_up=id_ in taken_up) for id_, email_id in session.execute(query)]


def require_linked(session: Session, call_id: int, about: About) -> None:
    """LostRace where somebody else took up one of the requests since they were looked at."""
    query = select(PhoneCallBatch.placement_request_id).where(PhoneCallBatch.phone_call_id == call_id)
    lost = {place.request_id for place in about.places} - set(session.scalars(query))
    if lost:
        named = ", ".join(map(str, sorted(lost)))
        raise LostRace(f"placement request {named} was taken up elsewhere at the same moment; look again")
