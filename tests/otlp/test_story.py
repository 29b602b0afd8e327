"""The spans of real processes, from the event of the platform to the sent email, as they arrive at a receiver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from comms.services.inbox import receive
from comms.services.pause import pause_sending, resume_sending
from comms.store.engines import clock, make_engine
from comms.store.session import Sessions, make_sessions, writing
from tests.factories import NOW
from tests.installation import environment
from tests.otlp.commands import done
from tests.servers.otlp import Arrived, Receiver, receiver
from tests.servers.script import Session
from tests.servers.smtp import SmtpServer
from tests.services.messages import PATIENT, THERAPIST, event

pytestmark = pytest.mark.whole
CANARIES = (b"zqxyq", b"f64.8", b"1988")
NAMED = THERAPIST | {"vorname": "Zqxyqandra", "nachname": "Zqxyqmann", "email": "zqxyq@therapie.example"}
UNKNOWN = NAMED | {"email": "zqxyqunknown@therapie.example"}
PATIENTS = PATIENT | {"diagnose": "F64.8", "krankenkasse": "Zqxyqkasse"}
EVENTS = [
    event("therapist.created", therapist_id=101, therapist_data=NAMED),
    event("therapist.created", therapist_id=102, therapist_data=UNKNOWN),
    *(event("patient.created", patient_id=id_, patient_data=PATIENTS) for id_ in (201, 202)),
    *(
        event("match.created", minutes=1, event_id=f"match-{id_}", match_id=id_, patient_id=patient,
              therapist_id=therapist, match_data={"notes": "zqxyqnote"})
        for id_, patient, therapist in ((301, 201, 101), (302, 202, 101), (303, 201, 102))
    ),
]  # fmt: skip


def refuse(session: Session) -> str | None:
    return "550 5.1.1 <zqxyqunknown> nobody called Zqxyqmann" if "unknown" in session.line else None


@pytest.fixture(scope="module")
def told(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """What arrived of three commands: one applies events, one makes the emails, one sends them."""
    home = tmp_path_factory.mktemp("story")
    engine = make_engine(f"sqlite:///{shutil.copy(sqlite_template, home / 'comms.db')}")
    sessions: Sessions = make_sessions(engine)
    with SmtpServer({"rcpt": refuse}) as mail, receiver() as running:
        given = environment(str(engine.url), home, mail.port) | running.variables
        with writing(sessions) as session:
            receive(session, EVENTS, NOW)
            pause_sending(session, "test", clock(session), None)
        done(given, "run", "handle-events")
        done(given, "run", "daily-batch")
        with writing(sessions) as session:
            resume_sending(session, "test", clock(session))
        done(given, "run", "send-queue")
        assert len(mail.received) == 1
        engine.dispose()
        yield running


def trace_of(id_: str) -> str:
    return sha256(id_.encode()).hexdigest()[:32]


def trace(told: Receiver, id_: str) -> list[Arrived]:
    return [span for span in told.spans if span.trace == trace_of(id_)]


def only(told: Receiver, name: str) -> Arrived:
    [span] = told.named(name)
    return span


@pytest.mark.parametrize("event_id", ["match-301", "match-302"])
def test_one_trace_goes_from_the_event_of_the_platform_to_the_sent_email(told: Receiver, event_id: str) -> None:
    """Also where several requests share the email: it stands in the trace of each."""
    applied, created, sent = trace(told, event_id)
    assert [span.name for span in (applied, created, sent)] == ["match.created applied", "email created", "email sent"]
    assert created.attributes["comms.email_id"] == sent.attributes["comms.email_id"]
    assert sent.attributes["comms.origin_ids"] == ["match-301", "match-302"]
    assert sent.attributes["comms.reply"].startswith("content 250")


def test_an_email_tells_the_run_that_made_it_and_the_run_that_sent_it(told: Receiver) -> None:
    [sent] = [span for span in trace(told, "match-301") if span.name == "email sent"]
    made_by, sent_by = (only(told, job).attributes["comms.correlation_id"] for job in ("daily-batch", "send-queue"))
    assert (sent.attributes["comms.correlation_id"], sent.attributes["comms.causation_id"]) == (made_by, sent_by)
    assert "email sent" in {span.name for span in trace(told, made_by)}


def test_a_mark_leads_to_the_work_that_made_it(told: Receiver) -> None:
    steps = {"match.created applied": "handle_inbox", "email created": "create_chunk", "email sent": "send"}
    for mark in trace(told, "match-301"):
        [link] = mark.links
        [step] = [span for span in told.spans if span.id == link]
        assert step.attributes["comms.step"] == steps[mark.name]


@pytest.mark.parametrize("job", ["handle-matching-events", "daily-batch", "send-queue"])
def test_a_run_is_one_span_in_the_trace_of_its_key_with_its_steps_below_it(told: Receiver, job: str) -> None:
    run = only(told, job)
    steps = [span for span in told.spans if span.attributes.get("comms.job") == job]
    assert run.trace == trace_of(run.attributes["comms.correlation_id"])
    assert steps
    assert {(step.trace, step.parent) for step in steps} == {(run.trace, run.id)}


def test_the_hand_over_of_an_email_is_a_span_of_a_client_below_the_step_that_sent_it(told: Receiver) -> None:
    handed = {span.attributes["comms.outcome"]: span for span in told.named("SMTP hand-over")}
    [step] = [span for span in told.named("step send") if span.attributes["comms.job"] == "send-queue"]
    assert {(span.kind, span.parent) for span in handed.values()} == {("client", step.id)}
    taken, refused = handed["accepted"], handed["permanent_address"]
    assert (taken.attributes["comms.smtp.code"], taken.failed) == (250, False)
    assert (refused.attributes["comms.smtp.code"], refused.failed) == (550, True)
    assert refused.attributes["error.type"] == "permanent_address"


def test_every_span_says_what_it_goes_back_to(told: Receiver) -> None:
    assert [span.name for span in told.spans if not span.attributes.get("comms.correlation_id")] == []
    assert {span.service for span in told.spans} == {"communication-service"}


def test_nothing_personal_arrives(told: Receiver) -> None:
    everything = b"".join(told.bodies).lower()
    assert b"match-301" in everything
    assert [canary for canary in CANARIES if canary in everything] == []
