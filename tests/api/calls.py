"""What the tests of calls over HTTP share: a therapist with phone hours, a time that can be set, small requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from api.routers import call_list
from comms.rules.policy import BERLIN
from comms.services.events import announce_emails
from comms.store.models import Email
from comms.store.session import Sessions, writing
from comms.store.timekeeping import Timekeeper
from tests.factories import NOW, make_request, make_sent_email, make_therapist
from tests.services.calls import EVERY_WEEKDAY

TUESDAY = "2026-11-24"
"""The day after NOW."""


@dataclass
class Clock:
    """The time that requests are told."""

    now: datetime = NOW


def set_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    told = Clock()
    monkeypatch.setattr(Timekeeper, "now", lambda *_: told.now)
    monkeypatch.setattr(call_list, "clock", lambda _: told.now)
    return told


def therapist(sessions: Sessions, **facts: Any) -> int:
    with writing(sessions) as session:
        return int(make_therapist(session, **({"phone_availability": EVERY_WEEKDAY} | facts)).id)


def with_requests(sessions: Sessions, count: int = 1, **facts: Any) -> tuple[int, list[int]]:
    """A therapist and open requests."""
    with writing(sessions) as session:
        made = make_therapist(session, **({"phone_availability": EVERY_WEEKDAY} | facts))
        return made.id, [make_request(session, made).id for _ in range(count)]


def with_email(sessions: Sessions, at: datetime, count: int = 1) -> tuple[int, int, list[int]]:
    """A therapist, an unanswered email sent at `at`, and the requests in it."""
    with writing(sessions) as session:
        made = make_therapist(session, phone_availability=EVERY_WEEKDAY)
        requests = [make_request(session, made) for _ in range(count)]
        email = make_sent_email(session, made, requests, at=at)
        announce(session, "email_created", email, at, template=email.template, status="queued")
        announce(session, "email_sent", email, at, sent_at=at.isoformat())
        return made.id, email.id, [request.id for request in requests]


def announce(session: Session, event: str, email: Email, at: datetime, **more: Any) -> None:
    """What the service would have published of a row that a test makes."""
    announce_emails(session, event, [email.id], at, {email.id: more})


def book(client: TestClient, therapist_id: int, at: str | None = None, **more: Any) -> Any:
    """POST a call, on Tuesday at `at`; return the answer."""
    when = {"scheduled_date": TUESDAY, "scheduled_time": at} if at else {}
    return client.post("/api/phone-calls", json={"therapist_id": therapist_id} | when | more)


def booked(client: TestClient, therapist_id: int, at: str | None = None, **more: Any) -> Any:
    """The same, and it must work; return the call."""
    answer = book(client, therapist_id, at, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def at_berlin(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)
