"""Placement requests that events brought and nobody has decided about yet, for whoever writes at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, and_, cast, exists, literal, or_, select
from sqlalchemy.orm import Session

from comms.rules.states import RequestStatus
from comms.store.models import InboxEvent, Patient, PlacementRequest, PlanDecision, Therapist

FRESH = timedelta(days=1)
"""So long a request may be written about at once; by then a daily batch has looked at it."""


def fresh_requests(session: Session, now: datetime) -> list[int]:
    """Find those that are open, whichever run applied their events, and whether or not it came to its end.

    What was refused is fresh again once more is known about its therapist or patient.
    """
    brought = exists().where(
        InboxEvent.subject == literal("request:").concat(cast(PlacementRequest.id, String)),
        InboxEvent.event_type == "match.created",
        InboxEvent.outcome == "applied",
    )
    query = (
        select(PlacementRequest.id)
        .join(Therapist, Therapist.id == PlacementRequest.therapist_id)
        .join(Patient, Patient.id == PlacementRequest.patient_id)
        .where(PlacementRequest.status == RequestStatus.OPEN, PlacementRequest.created_at > now - FRESH)
    )
    return list(session.scalars(query.where(brought, ~_decided())))


def _decided() -> ColumnElement[bool]:
    """Written about, or refused with what is known now. A run that died in between left neither."""
    with_this = and_(PlanDecision.decided_at >= Therapist.updated_at, PlanDecision.decided_at >= Patient.updated_at)
    refused = and_(PlanDecision.reason.is_not(None), with_this)
    return exists().where(
        PlanDecision.placement_request_id == PlacementRequest.id, or_(PlanDecision.email_id.is_not(None), refused)
    )
