"""Events without Prefect: `comms run handle-events` and `relay-events`; and what is said where there is no Kafka."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from comms.bootstrap import events as steps
from comms.bootstrap.whole_jobs import run_handle_events
from comms.cli import app
from comms.ports import IncomingMessage
from comms.services.inbox import receive
from comms.store.models import JobRun, PlacementRequest, PlanDecision
from comms.store.session import Sessions, reading, writing
from tests.cli.running import run
from tests.factories import NOW, make_request, make_therapist
from tests.installation import configured
from tests.servers.kafka import broker
from tests.servers.smtp import SmtpServer
from tests.servers.topics import events
from tests.services.messages import PATIENT, THERAPIST, event

MATCH = [
    event("therapist.created", therapist_id=101, therapist_data=THERAPIST),
    event("patient.created", patient_id=201, patient_data=PATIENT),
    event("match.created", minutes=1, match_id=301, patient_id=201, therapist_id=101),
]


def told(*arguments: str) -> str:
    return CliRunner().invoke(app, ["run", *arguments], catch_exceptions=False).stdout


def keep(sessions: Sessions, messages: list[IncomingMessage]) -> None:
    """What the launcher does with them."""
    with writing(sessions) as session:
        receive(session, messages, NOW)


def test_what_the_launcher_kept_is_applied_and_waits_for_the_next_batch(sessions: Sessions, server: SmtpServer) -> None:
    keep(sessions, MATCH)

    counts = run("handle-events")

    assert counts["applied"] == {"therapist.created": 1, "patient.created": 1, "match.created": 1}
    assert (counts["new_request_ids"], counts["written"]["emails"], counts["ended"]) == ([301], 0, "done")
    assert run("daily-batch")["sending"]["sent"] == 1
    with reading(sessions) as session:
        assert session.scalars(select(JobRun.job).order_by(JobRun.id)).all() == [
            "handle-matching-events",
            "daily-batch",
        ]


@pytest.fixture
def at_once(server: SmtpServer) -> Iterator[SmtpServer]:
    with configured({"COMMS_BATCH_ON_MATCH": "true"}):
        yield server


def test_where_the_settings_say_so_a_match_is_written_about_at_once(sessions: Sessions, at_once: SmtpServer) -> None:
    keep(sessions, MATCH)

    shown = told("handle-events")

    assert "emails made at once" in shown
    assert "placement requests that are new" in shown
    assert len(at_once.received) == 1
    assert run("handle-events")["written"] == {"emails": 0, "ended": "done"}


def die_before_writing(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    steps.write_at_once = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment, return-value]
    run_handle_events(limit=100)


def test_what_a_run_applied_before_it_was_killed_the_next_one_writes_about(
    sessions: Sessions, at_once: SmtpServer
) -> None:
    keep(sessions, MATCH)
    killed = multiprocessing.get_context("forkserver").Process(target=die_before_writing, args=(dict(os.environ),))
    killed.start()
    killed.join(180)
    assert killed.exitcode == -signal.SIGKILL
    with reading(sessions) as session:
        assert session.get_one(PlacementRequest, 301).status == "open"

    counts = run("handle-events")

    assert (counts["new_request_ids"], counts["written"]["emails"], len(at_once.received)) == ([], 1, 1)
    assert run("handle-events")["written"]["emails"] == 0


def test_a_match_that_came_before_its_facts_is_written_about_when_they_come(
    sessions: Sessions, at_once: SmtpServer
) -> None:
    therapist, patient, match = MATCH
    keep(sessions, [match, patient])
    assert run("handle-events")["written"]["emails"] == 0
    with reading(sessions) as session:
        decided = session.scalar(select(func.count()).select_from(PlanDecision))
    keep(sessions, [event("therapist.created", therapist_id=102, therapist_data=THERAPIST)])
    assert run("handle-events")["written"]["emails"] == 0
    with reading(sessions) as session:
        assert session.scalar(select(func.count()).select_from(PlanDecision)) == decided, "decided again for nothing"

    keep(sessions, [therapist])

    assert run("handle-events")["written"]["emails"] == len(at_once.received) == 1


def test_a_run_says_what_waits_and_what_was_given_up(sessions: Sessions, server: SmtpServer) -> None:
    bad = event("therapist.created", therapist_id=102, therapist_data={"status": "verschollen"})
    keep(sessions, [bad, event("match.status_changed", match_id=999, new_status="abgelehnt")])

    shown = told("handle-events")

    assert "statuses that wait for their request" in shown
    assert "events given up: comms events dead-letters" in shown
    assert "events applied" in told("handle-events")
    with reading(sessions) as session:
        assert session.scalars(select(PlacementRequest)).all() == []


def test_events_that_wait_are_published_and_a_second_run_finds_none(sessions: Sessions, server: SmtpServer) -> None:
    with writing(sessions) as session:
        make_request(session, make_therapist(session))
    run("daily-batch")
    with broker() as kafka, configured({"KAFKA_BOOTSTRAP_SERVERS": kafka.servers}):
        assert run("relay-events")["published"] == 2
        assert run("relay-events")["published"] == 0
        published = [event["eventType"] for event in events(kafka.servers, "communication-events")]
    assert published == ["communication.email_created", "communication.email_sent"]


@pytest.mark.parametrize("command", ["relay", "launcher", "run relay-events"])
def test_without_kafka_a_command_says_so_in_one_line(tmp_path: Path, command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DATABASE_"))}
    asked = subprocess.run(
        [sys.executable, "-m", "comms.cli", *command.split()],
        env=environment | {"COMMS_HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.returncode == 1
    assert asked.stderr.startswith("configuration: KAFKA_BOOTSTRAP_SERVERS: not set, so there is no Kafka")
    assert len(asked.stderr.splitlines()) == 1
