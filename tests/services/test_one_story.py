"""One id from the platform's event to the sent email: in rows, in what is published, and in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from comms import logs
from comms.causes import caused_by
from comms.services.batching import process_pending_requests
from comms.services.inbox import handle_events, receive
from comms.services.published import PublishedEnvelope
from comms.services.relaying.heads import load_heads, mark_published
from comms.services.sending import send_queued_emails
from comms.store.models import Email, EmailBatch, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, number
from tests.lines import Lines
from tests.servers.sending import QUICK, smtp_sender
from tests.servers.smtp import SmtpServer
from tests.services.messages import PATIENT, THERAPIST, event
from tests.services.test_batching import CORRESPONDENCE, POLICY

NIGHT, QUEUE, PLATFORM = "run-of-the-night", "run-of-the-queue", "run-of-the-inbox"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    yield Lines(capsys)
    logs.configure("text", told=False)


class World:
    """Two requests of one therapist, each brought in by an event of its own."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.therapist_id, self.requests = number(), {number(): "match-one", number(): "match-two"}
        patients = [number() for _ in self.requests]
        self.say(
            event("therapist.created", therapist_id=self.therapist_id, therapist_data=THERAPIST),
            *(event("patient.created", patient_id=id_, patient_data=PATIENT) for id_ in patients),
            *(
                event("match.created", minutes=1, event_id=said, match_id=id_, patient_id=patient,
                      therapist_id=self.therapist_id)
                for (id_, said), patient in zip(self.requests.items(), patients, strict=True)
            ),
        )  # fmt: skip

    def say(self, *messages: Any) -> None:
        with writing(self.sessions) as session:
            receive(session, messages, NOW)
        with caused_by(PLATFORM):
            handle_events(self.sessions)

    def write(self) -> None:
        with caused_by(NIGHT):
            process_pending_requests(self.sessions, NOW, POLICY, CORRESPONDENCE, NIGHT)

    def send(self) -> None:
        with SmtpServer() as server, caused_by(QUEUE):
            send_queued_emails(self.sessions, smtp_sender(server.port), QUICK, datetime.now(UTC), limit=10)

    def published(self) -> list[dict[str, Any]]:
        """Take everything out of the outbox, in the order of one key, as it goes onto the topic."""
        found: list[dict[str, Any]] = []
        with writing(self.sessions) as session:
            while heads := load_heads(session, NOW, 100):
                found += [json.loads(head.value) for head in heads]
                mark_published(session, [head.row for head in heads], NOW)
        for one in found:
            PublishedEnvelope.model_validate_json(json.dumps(one))
        return found


@pytest.fixture
def world(sessions: Sessions) -> World:
    return World(sessions)


def test_an_email_knows_its_run_and_each_place_in_it_the_event_that_brought_the_request(world: World) -> None:
    world.write()
    with reading(world.sessions) as session:
        brought_in = select(PlacementRequest.id, PlacementRequest.correlation_id)
        assert dict(list(session.execute(brought_in))) == world.requests
        places = select(EmailBatch.placement_request_id, EmailBatch.correlation_id)
        assert dict(list(session.execute(places))) == world.requests
        assert session.scalars(select(Email.correlation_id)).all() == [NIGHT]


def test_events_say_who_made_the_email_what_moved_it_and_what_had_asked_for_it(world: World) -> None:
    world.write()
    world.send()
    created, sent = world.published()
    assert (created["eventType"], created["correlationId"], created["causationId"]) == (
        "communication.email_created", NIGHT, NIGHT,
    )  # fmt: skip
    assert (sent["eventType"], sent["correlationId"], sent["causationId"]) == (
        "communication.email_sent", NIGHT, QUEUE,
    )  # fmt: skip
    assert created["originIds"] == sent["originIds"] == ["match-one", "match-two"]


def test_an_event_that_takes_an_email_back_is_named_as_the_cause(world: World) -> None:
    world.write()
    world.published()
    world.say(
        event("therapist.blocked", minutes=5, event_id="blocked", therapist_id=world.therapist_id, therapist_data={})
    )
    [canceled] = world.published()
    assert (canceled["correlationId"], canceled["causationId"]) == (NIGHT, "blocked")
    assert canceled["originIds"] == ["match-one", "match-two"]


def test_a_patient_that_is_deleted_is_the_cause_for_each_of_its_requests(world: World) -> None:
    world.write()
    world.published()
    with reading(world.sessions) as session:
        patients = session.scalars(select(PlacementRequest.patient_id).order_by(PlacementRequest.id)).all()
    world.say(*(event("patient.deleted", minutes=5, event_id=f"gone-{id_}", patient_id=id_) for id_ in patients))
    [canceled] = world.published()
    assert canceled["causationId"] == f"gone-{patients[0]}"


def test_a_request_that_is_opened_again_goes_back_to_what_opened_it(world: World) -> None:
    one = min(world.requests)
    world.say(event("match.status_changed", minutes=5, match_id=one, new_status="abgelehnt"))
    world.say(event("match.status_changed", minutes=6, event_id="again", match_id=one, new_status="offen"))
    world.write()
    [created] = world.published()
    assert created["originIds"] == ["again", "match-two"]


def test_one_search_finds_every_line_about_an_event(world: World, lines: Lines) -> None:
    world.say(event("match.status_changed", minutes=5, event_id="match-one-again",
                    match_id=min(world.requests), new_status="offen"))  # fmt: skip
    world.write()
    world.send()
    about = [line for line in lines.read() if "match-two" in str(line) or "match-one-again" in str(line)]
    assert [(line["event"], line["correlation_id"]) for line in about] == [
        ("events_handled", PLATFORM), ("emails_created", NIGHT), ("emails_sent", QUEUE),
    ]  # fmt: skip
    assert about[1]["email_ids"] == about[2]["sent"]
    assert about[2]["made_by"] == [NIGHT]
