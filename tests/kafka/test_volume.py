"""Thousands of messages, each three times, in any order, some of them poison: every effect once, and nothing behind."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import String, cast, func, select

from comms.gateways.kafka import KafkaSource
from comms.services.events import announce_emails
from comms.services.inbox import handle_events
from comms.services.inbox.launching import Launcher
from comms.store.models import (
    AuditEntry,
    DeadLetter,
    Email,
    InboxEvent,
    OutboxEvent,
    Patient,
    PlacementRequest,
    Therapist,
)
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_email, make_request, make_therapist, number
from tests.invariants import broken
from tests.kafka.bus import Bus
from tests.local_stack.parts import becomes_true
from tests.servers.topics import publish
from tests.services.messages import PATIENT, THERAPIST, event_bytes

pytestmark = pytest.mark.slow

SUBJECTS = 424
EACH = 3
POISON = [
    b"{",
    None,
    b"\xff\xfe",
    b"[]",
    b'{"eventType":"match.created","payload":{}}',
    b'{"eventType":"x","version":"2"}',
]


def told(subject: int, ids: dict[str, int]) -> Iterator[tuple[int, bytes]]:
    """The seven events of one match, each with the topic that it belongs on; half of the matches end."""
    match, patient, therapist = ids["match_id"], ids["patient_id"], ids["therapist_id"]
    ends = "abgelehnt" if subject % 2 else "offen"

    def say(topic: int, minute: int, type_: str, **payload: Any) -> tuple[int, bytes]:
        return topic, event_bytes(type_, at=NOW + timedelta(minutes=minute), **payload)

    yield say(0, 0, "match.created", **ids)
    yield say(0, 1, "match.status_changed", match_id=match, new_status="in_bearbeitung")
    yield say(0, 2, "match.status_changed", match_id=match, new_status=ends)
    yield say(1, 0, "therapist.created", therapist_id=therapist, therapist_data=THERAPIST | {"email": None})
    yield say(1, 1, "therapist.blocked", therapist_id=therapist)
    yield say(1, 2, "therapist.unblocked", therapist_id=therapist)
    yield say(2, 0, "patient.created", patient_id=patient, patient_data=PATIENT)


def waiting_emails(sessions: Sessions, count: int) -> list[tuple[int, bytes]]:
    """Emails that the platform ends: the event that says so, for each."""
    with writing(sessions) as session:
        requests = []
        for _ in range(count):
            therapist = make_therapist(session)
            requests.append(make_request(session, therapist))
            email = make_email(session, therapist, [requests[-1]])
            made = {email.id: {"template": "initial_contact", "status": "queued"}}
            announce_emails(session, "email_created", [email.id], NOW, made)
    return [(0, event_bytes("match.status_changed", match_id=r.id, new_status="angenommen")) for r in requests]


def test_three_thousand_messages_each_three_times_and_shuffled_act_once(sessions: Sessions, bus: Bus) -> None:
    chance = random.Random(20261123)
    matches = [{"match_id": number(), "patient_id": number(), "therapist_id": number()} for _ in range(SUBJECTS)]
    said = [each for subject, ids in enumerate(matches) for each in told(subject, ids)] + waiting_emails(sessions, 2)
    said += [(chance.randrange(3), POISON[place % len(POISON)]) for place in range(30)]
    assert len(said) == 3000
    put_on_topics(bus, chance, said * EACH)

    launcher = Launcher(sessions, KafkaSource(bus.settings, bus.topics), None)
    messages, seconds = 0, 0.0

    def all_read() -> bool:
        nonlocal messages, seconds
        messages += launcher.turn(0.2).received.messages
        if chance.random() < 0.3:
            seconds += timed(lambda: handle_events(sessions))
        return messages >= 3000 * EACH

    assert becomes_true(all_read, 300)
    launcher.close()
    seconds += timed(lambda: handle_events(sessions))
    print(f"\nhandled {2970 / seconds:,.0f} events a second")
    assert bus.lag() == 0
    assert_effects_once(sessions)
    assert broken(sessions) == {}


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def put_on_topics(bus: Bus, chance: random.Random, messages: list[tuple[int, bytes | None]]) -> None:
    """Under keys that mean nothing, so that repeats and whatever is about one subject land on any partition."""
    chance.shuffle(messages)
    for number_, topic in enumerate(bus.topics):
        publish(bus.servers, topic, [(f"{chance.random()}", value) for to, value in messages if to == number_])


def assert_effects_once(sessions: Sessions) -> None:
    with reading(sessions) as session:
        counted = session.execute(select(PlacementRequest.status, func.count()).group_by(PlacementRequest.status))
        expected = {("open", SUBJECTS // 2), ("rejected", SUBJECTS // 2), ("accepted", 2)}
        assert {tuple(row) for row in counted} == expected
        whole = select(func.count()).where(Therapist.last_name == "Müller", Therapist.status == "active")
        assert session.scalar(whole.where(~Therapist.facts_missing)) == SUBJECTS + 2
        assert session.scalar(select(func.count()).where(Patient.insurance == "AOK")) == SUBJECTS
        new = select(AuditEntry.subject_id).where(AuditEntry.action == "placement_request.import")
        created = session.scalars(new.where(cast(AuditEntry.details, String).contains("new"))).all()
        assert len(created) == len(set(created)) == SUBJECTS
        assert session.scalars(select(Email.status)).all() == ["canceled"] * 2
        announced = select(func.count()).where(OutboxEvent.event_type == "communication.email_canceled")
        assert session.scalar(announced) == 2
        assert session.scalar(select(func.count()).select_from(DeadLetter)) == 30 * EACH
        assert session.scalar(select(func.count()).select_from(InboxEvent)) == 2970
        assert session.scalar(select(func.count()).where(InboxEvent.handled_at.is_(None))) == 0
