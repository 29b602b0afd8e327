"""`comms run` and the platform over HTTP: asked before the batch, told after it, and not missed where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from comms.bootstrap import parts
from comms.cli import app
from comms.store.models import Email, PlacementRequest, PlatformUpdate
from comms.store.session import Sessions
from tests.cli.running import run
from tests.installation import configured
from tests.servers.platform import (
    PUT,
    THERAPIST,
    Answer,
    PlatformServer,
    german_patient,
    german_request,
    german_therapist,
)
from tests.servers.smtp import SmtpServer
from tests.services.platform import column


@pytest.fixture
def platform(server: SmtpServer) -> Iterator[PlatformServer]:
    with PlatformServer() as platform:
        platform.requests = [
            german_request(301, 201, 101),
            german_request(302, 202, 101),
            german_request(303, 201, 102),
        ]
        platform.therapists = {101: german_therapist(101)}
        platform.patients = {201: german_patient(201), 202: german_patient(202)}
        with configured({f"PLATFORM_{name}_URL": platform.url for name in ("MATCHING", "THERAPIST", "PATIENT")}):
            yield platform


def statuses(platform: PlatformServer) -> dict[int, str]:
    return {request["id"]: request["status"] for request in platform.requests}


def test_a_daily_batch_brings_requests_over_mails_them_and_sets_them_in_progress(
    sessions: Sessions, server: SmtpServer, platform: PlatformServer
) -> None:
    counts = run("daily-batch")

    assert (counts["emails"], counts["patients"], len(server.received)) == (1, 2, 1)
    assert counts["refused"] == {"facts_missing": 1}
    assert statuses(platform) == {301: "in_bearbeitung", 302: "in_bearbeitung", 303: "offen"}
    assert counts["platform"]["asked"]["faults"] == {"therapist_unknown": 1}
    assert counts["platform"]["told"] == {"ended": "told", "told": 2, "untold": 0, "faults": {}}

    again = run("daily-batch")

    assert (again["emails"], len(server.received)) == (0, 1)
    assert platform.count(PUT) == 2


def test_a_platform_that_answers_nothing_stops_neither_mail_nor_run_and_is_told_by_the_next_sync(
    sessions: Sessions, server: SmtpServer, platform: PlatformServer
) -> None:
    run("sync-platform")
    platform.script |= dict.fromkeys(("list", PUT, THERAPIST, "patient"), Answer(500))

    counts = run("daily-batch")

    assert (counts["emails"], len(server.received)) == (1, 1)
    assert counts["platform"]["told"]["untold"] == 2
    assert statuses(platform)[301] == "offen"
    platform.script.clear()
    with parts.sessions().begin() as session:
        session.query(PlatformUpdate).update({PlatformUpdate.next_attempt_at: PlatformUpdate.created_at})
    assert run("sync-platform")["platform"]["told"]["told"] == 2
    assert statuses(platform)[301] == "in_bearbeitung"


def test_a_dry_run_and_a_run_in_the_future_leave_the_platform_alone(
    sessions: Sessions, platform: PlatformServer
) -> None:
    assert run("daily-batch", "--dry-run")["platform"]["asked"] == {"ended": "dry_run"}
    assert run("daily-batch", "--at", "2040-01-01T01:00")["platform"]["told"] == {"ended": "future_instant"}

    assert platform.asked == []
    assert column(sessions, PlacementRequest.id) == []


def test_without_a_platform_the_step_says_so_and_the_batch_runs(sessions: Sessions, server: SmtpServer) -> None:
    counts = run("daily-batch")

    assert counts["platform"] == {"asked": {"ended": "not_configured"}, "told": {"ended": "not_configured"}}
    assert column(sessions, Email.id) == []
    result = CliRunner().invoke(app, ["run", "sync-platform"], catch_exceptions=False)
    assert "no URL of the platform is set" in result.stdout
