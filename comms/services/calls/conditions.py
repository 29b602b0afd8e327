"""Conditions over calls and emails that several queries share."""

from __future__ import annotations

from sqlalchemy import and_, exists, or_
from sqlalchemy.orm import aliased

from comms.rules.states import EmailStatus, PhoneCallStatus
from comms.store.models import Email, PhoneCall, PhoneCallBatch, PlacementRequest

_later = aliased(PhoneCall)
_place = aliased(PhoneCallBatch)

HAS_RETRY = exists().where(_later.retry_of_id == PhoneCall.id)
"""The next try of a failed call is booked."""

AWAITS_RETRY = and_(PhoneCall.status == PhoneCallStatus.FAILED, PhoneCall.retry_after.is_not(None), ~HAS_RETRY)
"""Missed, and no slot for the next try so far."""

AHEAD = or_(PhoneCall.status == PhoneCallStatus.SCHEDULED, AWAITS_RETRY)
"""Calls that will still be made."""

UNANSWERED = and_(
    Email.status.in_([EmailStatus.SENT, EmailStatus.IN_DOUBT]),
    ~Email.response_received,
    Email.closed_at.is_(None),
)
"""The same as `store.models.emails.PENDING`, for queries over several tables."""

IN_A_CALL = exists().where(_place.placement_request_id == PlacementRequest.id, _place.live)
"""The placement request has its live place in a scheduled call."""
