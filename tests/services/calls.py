"""What the tests of calls share: a situation, and looking at what became of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from comms.rules.policy import CallPolicy
from comms.services.calls import FollowUpReport, schedule_follow_up_calls
from comms.store.contacts import therapist_key
from comms.store.models import ContactState, OutboxEvent, PhoneCall, PhoneCallBatch, StaffItem, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, WEEK, make_request, make_sent_email, make_therapist

POLICY = CallPolicy()
EVERY_WEEKDAY = {day: [["08:00", "18:00"]] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")}

NEVER_TWICE = {
    "a caller has one call at a time": "SELECT caller, cell FROM call_cells GROUP BY caller, cell HAVING count(*) > 1",
    "a therapist has one call at a time": """
        SELECT therapist_id, cell FROM call_cells GROUP BY therapist_id, cell HAVING count(*) > 1""",
    "a therapist has one call ahead": """
        SELECT therapist_id FROM phone_calls WHERE status = 'scheduled' GROUP BY therapist_id HAVING count(*) > 1""",
    "a scheduled call has its cells": """
        SELECT c.id FROM phone_calls c WHERE c.status = 'scheduled'
        AND (SELECT count(*) FROM call_cells k WHERE k.phone_call_id = c.id) * 5 <> c.duration_minutes""",
    "a call that is over has no cells": """
        SELECT c.id FROM phone_calls c JOIN call_cells k ON k.phone_call_id = c.id
        WHERE c.status IN ('failed', 'canceled')""",
    "a scheduled call holds its therapist's key": """
        SELECT c.id FROM phone_calls c WHERE c.status = 'scheduled' AND NOT EXISTS (SELECT 1 FROM contact_state s
        WHERE s.key = 'therapist:' || c.therapist_id AND s.held_by = 'call:' || c.id)""",
    "no key is held by a call that is over": """
        SELECT s.key FROM contact_state s WHERE s.held_by LIKE 'call:%' AND NOT EXISTS (
        SELECT 1 FROM phone_calls c WHERE c.status = 'scheduled' AND s.held_by = 'call:' || c.id)""",
    "an email is followed up once": """
        SELECT e.email_id FROM phone_call_emails e JOIN phone_calls c ON c.id = e.phone_call_id
        WHERE c.retry_of_id IS NULL GROUP BY e.email_id HAVING count(*) > 1""",
    "a request is live in one call": """
        SELECT placement_request_id FROM phone_call_batches WHERE live GROUP BY placement_request_id
        HAVING count(*) > 1""",
    "a live place is in a scheduled call": """
        SELECT b.id FROM phone_call_batches b JOIN phone_calls c ON c.id = b.phone_call_id
        WHERE b.live AND c.status <> 'scheduled'""",
    "a scheduled call was announced once": """
        SELECT c.id FROM phone_calls c WHERE c.status = 'scheduled' AND NOT EXISTS (
        SELECT 1 FROM outbox_events o WHERE o.key = 'call:' || c.id
        AND o.event_type = 'communication.call_scheduled')""",
}


def broken(session: Session) -> dict[str, list[Any]]:
    found = {name: session.execute(text(query)).all() for name, query in NEVER_TWICE.items()}
    return {name: [tuple(row) for row in rows] for name, rows in found.items() if rows}


def unanswered(sessions: Sessions, *, requests: int = 1, **facts: Any) -> tuple[int, int, list[int]]:
    """One therapist with one email of a week ago; return therapist, email and request ids."""
    at = facts.pop("at", NOW - WEEK)
    with writing(sessions) as session:
        therapist = make_therapist(session, **({"phone_availability": EVERY_WEEKDAY} | facts))
        placed = [make_request(session, therapist) for _ in range(requests)]
        email = make_sent_email(session, therapist, placed, at=at)
        return therapist.id, email.id, [request.id for request in placed]


def follow_up(sessions: Sessions, now: Any = NOW, policy: CallPolicy = POLICY, **how: Any) -> FollowUpReport:
    return schedule_follow_up_calls(sessions, now, policy, **how)


def booked(sessions: Sessions, **facts: Any) -> tuple[int, int, int, list[int]]:
    """A booked follow-up call; return call, therapist, email and request ids."""
    therapist, email, requests = unanswered(sessions, **facts)
    follow_up(sessions)
    return only_call(sessions, therapist).id, therapist, email, requests


def only_call(sessions: Sessions, therapist_id: int, status: str = "scheduled") -> PhoneCall:
    with reading(sessions) as session:
        query = select(PhoneCall).where(PhoneCall.therapist_id == therapist_id, PhoneCall.status == status)
        return session.scalars(query).one()


def get(sessions: Sessions, model: type[Any], id_: int) -> Any:
    with reading(sessions) as session:
        return session.get(model, id_)


def key_of(sessions: Sessions, therapist_id: int) -> ContactState | None:
    return get(sessions, ContactState, therapist_key(therapist_id))  # type: ignore[arg-type]


def places(sessions: Sessions, call_id: int) -> dict[int, PhoneCallBatch]:
    with reading(sessions) as session:
        query = select(PhoneCallBatch).where(PhoneCallBatch.phone_call_id == call_id)
        rows = session.scalars(query.order_by(PhoneCallBatch.priority, PhoneCallBatch.id))
        return {row.placement_request_id: row for row in rows}


def events(sessions: Sessions, call_id: int) -> list[tuple[str, dict[str, Any]]]:
    with reading(sessions) as session:
        query = select(OutboxEvent).where(OutboxEvent.key == f"call:{call_id}").order_by(OutboxEvent.id)
        return [(row.event_type.removeprefix("communication."), row.payload) for row in session.scalars(query)]


def items(sessions: Sessions, subject_type: str, subject_id: int) -> dict[str, StaffItem]:
    """What stands on the staff list about it, by reason."""
    with reading(sessions) as session:
        query = select(StaffItem).where(
            StaffItem.subject_type == subject_type, StaffItem.subject_id == subject_id, StaffItem.resolved_at.is_(None)
        )
        return {row.reason: row for row in session.scalars(query)}


def change_therapist(sessions: Sessions, therapist_id: int, **facts: Any) -> None:
    with writing(sessions) as session:
        therapist = session.get_one(Therapist, therapist_id)
        for name, value in facts.items():
            setattr(therapist, name, value)
