"""Confirming what a therapist accepted: a letter that answers the answer, once for each accepted request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from comms.errors import Conflict
from comms.rules.policy import ContactPolicy
from comms.rules.states import Outcome, RequestStatus
from comms.services.correspondence import Correspondence
from comms.services.earlier import CONFIRMATION
from comms.services.following import Letter, Place, lock_earlier, send_letter, spoken_of
from comms.store.models import EmailBatch, PhoneCallBatch, PlacementRequest
from comms.store.staff import audit


def confirm_acceptance(
    session: Session, email_id: int, now: datetime, actor: str, policy: ContactPolicy, correspondence: Correspondence
) -> int:
    """Write and queue the confirmation of all that was accepted in this email; return the id of the new one.

    What a confirmation speaks of already is left out, unless that one was canceled or came back. Raises NotFound,
    Conflict where nothing is left to confirm, and ContactRefused where the therapist may never be written to.
    """
    earlier = lock_earlier(session, email_id)
    accepted = _accepted(session, email_id)
    if not accepted:
        raise Conflict(f"nothing that email {email_id} asks for stands accepted: there is nothing to confirm")
    done = spoken_of(session, email_id, CONFIRMATION)
    places = [place for place in accepted if place.request_id not in done]
    if not places:
        raise done[accepted[0].request_id]
    id_ = send_letter(session, Letter(CONFIRMATION, earlier, places), now, actor, policy, correspondence)
    audit(session, actor, "email.confirm", "email", email_id, now, confirmation=id_)
    return id_


def _accepted(session: Session, email_id: int) -> list[Place]:
    """Those accepted in writing, or in a call about this email, for which that still holds."""
    on_the_phone = exists().where(
        PhoneCallBatch.email_id == EmailBatch.email_id,
        PhoneCallBatch.placement_request_id == EmailBatch.placement_request_id,
        PhoneCallBatch.outcome == Outcome.ACCEPTED,
    )
    query = (
        select(EmailBatch.placement_request_id, EmailBatch.number, EmailBatch.facts)
        .join(PlacementRequest, PlacementRequest.id == EmailBatch.placement_request_id)
        .where(
            EmailBatch.email_id == email_id,
            EmailBatch.included,
            PlacementRequest.status == RequestStatus.ACCEPTED,
            or_(EmailBatch.response_outcome == Outcome.ACCEPTED, on_the_phone),
        )
        .order_by(EmailBatch.priority, EmailBatch.id)
    )
    return [Place(*row) for row in session.execute(query)]
