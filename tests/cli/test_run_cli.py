"""`comms run …`: the jobs without Prefect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from comms.cli import app
from comms.config import get_config
from comms.services.keys import create_key
from comms.services.repeats import KEPT, Repeatable, claim_repeatable
from comms.store.engines import clock
from comms.store.models import Email, IdempotencyAnswer, JobRun
from comms.store.session import Sessions, reading, writing
from tests.cli.running import run
from tests.factories import make_request, make_therapist
from tests.servers.smtp import SmtpServer


def ask(sessions: Sessions, therapists: int = 1) -> None:
    with writing(sessions) as session:
        for _ in range(therapists):
            make_request(session, make_therapist(session))


def count(sessions: Sessions, *where: Any) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count(Email.id)).where(*where)) or 0


def test_the_daily_batch_writes_and_sends_and_leaves_a_note_of_the_run(sessions: Sessions, server: SmtpServer) -> None:
    ask(sessions, 2)

    counts = run("daily-batch")

    assert (counts["emails"], counts["sending"]["sent"], len(server.received)) == (2, 2, 2)
    with reading(sessions) as session:
        noted = session.scalars(select(JobRun)).one()
        assert (noted.job, noted.state, noted.key) == ("daily-batch", "completed", counts["key"])


def test_a_dry_run_tells_what_would_be_and_writes_nothing(sessions: Sessions, server: SmtpServer) -> None:
    ask(sessions)

    counts = run("daily-batch", "--dry-run", "--at", "2030-01-01T01:00")

    assert counts["emails"] == 1
    assert (count(sessions), server.received) == (0, [])


def test_a_future_instant_makes_emails_for_then_and_sends_nothing(sessions: Sessions, server: SmtpServer) -> None:
    ask(sessions)

    counts = run("daily-batch", "--at", "2030-01-01T01:00")
    run("send-queue")

    assert counts["sending"]["ended"] == "future_instant"
    assert count(sessions, Email.status == "queued") == 1
    assert server.received == []


def test_in_production_only_a_dry_run_may_act_as_of_another_time(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {"EMAIL_SENDER": "a@platzsuche.de", "COMMS_REPLY_TO": "b@platzsuche.de", "COMMS_LEGAL_FOOTER": "Impressum"}
    real |= {"COMMS_UNSUBSCRIBE": "c@platzsuche.de", "COMMS_ORGANISATION": "Platzsuche gGmbH"}
    for name, value in {**real, "COMMS_ENVIRONMENT": "production"}.items():
        monkeypatch.setenv(name, value)
    get_config.cache_clear()

    result = CliRunner().invoke(app, ["run", "daily-batch", "--at", "2026-01-01T01:00"])

    assert "only a dry run" in str(result.exception)
    assert run("daily-batch", "--at", "2026-01-01T01:00", "--dry-run")["standing"] == "dry_run"


def test_follow_ups_run_alone(sessions: Sessions, server: SmtpServer) -> None:
    with writing(sessions) as session:
        make_request(session, make_therapist(session, email=None, mailbox=None))

    assert run("follow-ups")["scheduled"] == 1


def test_the_daily_batch_throws_old_answers_away_and_a_dry_run_does_not(sessions: Sessions, server: SmtpServer) -> None:
    with writing(sessions) as session:
        now = clock(session)
        key = create_key(session, "old", ["write"], now, "test").id
        for name, age in (("old", KEPT + timedelta(minutes=1)), ("young", KEPT - timedelta(hours=1))):
            claim_repeatable(session, Repeatable(key, name, "print"), now - age)

    def left() -> list[str]:
        with reading(sessions) as session:
            return sorted(session.scalars(select(IdempotencyAnswer.key)))

    run("send-queue"), run("daily-batch", "--dry-run")
    assert left() == ["old", "young"]
    run("daily-batch")
    assert left() == ["young"]
