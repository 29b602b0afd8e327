"""Rows for tests: lifelike where nothing is said. `NOW` is a Monday, 11:00 in Berlin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from comms.store.models import Email, EmailBatch, Patient, PlacementRequest, Therapist

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WEEK = timedelta(hours=168)

_numbers: Iterator[int] = count(1000)


def number() -> int:
    """A fresh id, unique in this process."""
    return next(_numbers)


def make_therapist(session: Session, **facts: Any) -> Therapist:
    id_ = facts.pop("id", None) or number()
    email = facts.pop("email", f"praxis{id_}@therapie.example")
    values: dict[str, Any] = {
        "salutation": "frau",
        "title": "Dr.",
        "first_name": "Andrea",
        "last_name": "Müller",
        "email": email,
        "mailbox": email and email.lower(),
        "land": "BE",
        "phone": "+49301234567",
        "phone_availability": {"tuesday": [["09:00", "12:00"]]},
        "learned_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return _add(session, Therapist(id=id_, **(values | facts)))


def make_patient(session: Session, **facts: Any) -> Patient:
    values: dict[str, Any] = {
        "id": number(),
        "birth_date": date(1988, 4, 17),
        "gender": "weiblich",
        "diagnosis": "F32.1 G",
        "insurance": "AOK Nordost",
        "insurance_kind": "statutory",
        "registered_on": date(2026, 3, 2),
        "availability": {"monday": [["08:00", "12:00"]], "thursday": [["14:00", "18:00"]]},
        "open_to_group_therapy": False,
        "earlier_therapy": True,
        "learned_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return _add(session, Patient(**(values | facts)))


def make_request(
    session: Session, therapist: Therapist, patient: Patient | None = None, **facts: Any
) -> PlacementRequest:
    values: dict[str, Any] = {
        "id": number(),
        "patient_id": (patient or make_patient(session)).id,
        "therapist_id": therapist.id,
        "status": "open",
        "requested_at": NOW - timedelta(days=30),
        "learned_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return _add(session, PlacementRequest(**(values | facts)))


def make_email(
    session: Session, therapist: Therapist, requests: list[PlacementRequest] | None = None, **facts: Any
) -> Email:
    """An email as the batch leaves it: queued, due now, its requests in progress. Claims no contact key by itself."""
    status = facts.get("status", "queued")
    unique = number()
    values: dict[str, Any] = {
        "therapist_id": therapist.id,
        "status": status,
        "template": "initial_contact",
        "template_version": "test",
        "subject": "Anfrage",
        "body_html": "<p>Anfrage</p>",
        "body_text": "Anfrage",
        "raw": f"Message-ID: <{unique}@test.example>\r\nSubject: Anfrage\r\n\r\nAnfrage\r\n".encode(),
        "recipient_email": therapist.email or "niemand@therapie.example",
        "recipient_name": therapist.last_name or "",
        "mailbox": therapist.mailbox or "niemand@therapie.example",
        "sender_email": "vermittlung@platzsuche.example",
        "sender_name": "Vermittlung",
        "message_id": f"<{unique}@test.example>",
        "reply_token": f"token{unique}",
        "dated": NOW,
        "queued_at": NOW,
        "next_attempt_at": NOW if status == "queued" else None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    email = _add(session, Email(**(values | facts)))
    live = status in ("queued", "sending", "sent", "in_doubt")
    for position, request in enumerate(requests or [], start=1):
        request.status = "in_progress"
        _add(
            session,
            EmailBatch(
                email_id=email.id,
                placement_request_id=request.id,
                therapist_id=therapist.id,
                priority=position,
                number=position,
                facts={},
                live=live,
                created_at=NOW,
            ),
        )
    return email


def make_sent_email(
    session: Session,
    therapist: Therapist,
    requests: list[PlacementRequest] | None = None,
    *,
    at: datetime,
    **facts: Any,
) -> Email:
    """An email that the relay took at `at`."""
    times = {"sent_at": at, "handed_over_at": at, "queued_at": at, "created_at": at, "attempt": 1}
    return make_email(session, therapist, requests, status="sent", **(times | facts))


def _add(session: Session, row: Any) -> Any:
    session.add(row)
    session.flush()
    return row
