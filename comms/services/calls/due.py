"""What there is to call about, as one query. Three roads lead to a call:

an email without an answer for seven days, open requests of a therapist without a working address, and a missed call
whose next try has no slot yet. One call takes up all of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Subquery, and_, cast, exists, func, null, or_, select, union_all

from comms.rules.policy import CallPolicy
from comms.rules.states import OPEN_REQUEST, CallKind, RequestStatus
from comms.services.calls.conditions import AWAITS_RETRY, IN_A_CALL, UNANSWERED
from comms.store.models import (
    Email,
    EmailBatch,
    PhoneCall,
    PhoneCallBatch,
    PhoneCallEmail,
    PlacementRequest,
    Therapist,
)


def things_due(now: datetime, policy: CallPolicy) -> Subquery:
    """One row per thing to speak of: (therapist_id, since, email_id, request_id, call_id)."""
    missed = (_missed_requests(), _missed_emails(), _missed_alone())
    return union_all(_unanswered(now, policy), _without_address(), *missed).subquery("due")


def _unanswered(now: datetime, policy: CallPolicy) -> Any:
    since = func.coalesce(Email.sent_at, Email.handed_over_at)
    live = and_(EmailBatch.email_id == Email.id, EmailBatch.live)
    held = exists().where(PhoneCallBatch.placement_request_id == EmailBatch.placement_request_id, PhoneCallBatch.live)
    return (
        select(
            Email.therapist_id,
            since.label("since"),
            Email.id.label("email_id"),
            EmailBatch.placement_request_id.label("request_id"),
            cast(null(), BigInteger).label("call_id"),
        )
        .outerjoin(EmailBatch, and_(live, ~held))
        .where(
            UNANSWERED,
            Email.followed_up_at.is_(None),
            Email.replies_to_email_id.is_(None),
            since <= now - policy.follow_up_after,
        )
    )


def _without_address() -> Any:
    in_an_email = exists().where(EmailBatch.placement_request_id == PlacementRequest.id, EmailBatch.live)
    return (
        select(
            PlacementRequest.therapist_id,
            func.coalesce(PlacementRequest.requested_at, PlacementRequest.created_at).label("since"),
            cast(null(), BigInteger).label("email_id"),
            PlacementRequest.id.label("request_id"),
            cast(null(), BigInteger).label("call_id"),
        )
        .join(Therapist, Therapist.id == PlacementRequest.therapist_id)
        .where(
            PlacementRequest.status == RequestStatus.OPEN,
            PlacementRequest.patient_id.is_not(None),
            or_(Therapist.email.is_(None), Therapist.email_refused_at.is_not(None)),
            ~in_an_email,
            ~IN_A_CALL,
        )
    )


def _missed_requests() -> Any:
    """A request whose email bounced meanwhile, or was dropped, is spoken of for its own sake."""
    return (
        select(
            PhoneCall.therapist_id,
            PhoneCall.created_at.label("since"),
            Email.id.label("email_id"),
            PhoneCallBatch.placement_request_id.label("request_id"),
            PhoneCall.id.label("call_id"),
        )
        .join(PhoneCallBatch, PhoneCallBatch.phone_call_id == PhoneCall.id)
        .join(PlacementRequest, PlacementRequest.id == PhoneCallBatch.placement_request_id)
        .outerjoin(Email, and_(Email.id == PhoneCallBatch.email_id, UNANSWERED))
        .where(
            AWAITS_RETRY,
            PhoneCallBatch.included,
            PhoneCallBatch.outcome.is_(None),
            PlacementRequest.status.in_(OPEN_REQUEST),
            ~IN_A_CALL,
        )
    )


def _missed_emails() -> Any:
    return (
        select(
            PhoneCall.therapist_id,
            PhoneCall.created_at.label("since"),
            Email.id.label("email_id"),
            cast(null(), BigInteger).label("request_id"),
            PhoneCall.id.label("call_id"),
        )
        .join(PhoneCallEmail, PhoneCallEmail.phone_call_id == PhoneCall.id)
        .join(Email, Email.id == PhoneCallEmail.email_id)
        .where(AWAITS_RETRY, UNANSWERED)
    )


def _missed_alone() -> Any:
    """What a person booked without naming a request: the call itself is tried again."""
    request = exists().where(PhoneCallBatch.phone_call_id == PhoneCall.id)
    email = exists().where(PhoneCallEmail.phone_call_id == PhoneCall.id)
    return select(
        PhoneCall.therapist_id,
        PhoneCall.created_at.label("since"),
        cast(null(), BigInteger).label("email_id"),
        cast(null(), BigInteger).label("request_id"),
        PhoneCall.id.label("call_id"),
    ).where(AWAITS_RETRY, PhoneCall.kind == CallKind.MANUAL, ~request, ~email)
