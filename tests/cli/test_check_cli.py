"""`comms check` and `comms run check-invariants`: silent while all holds, and loud when a row breaks a promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from comms.bootstrap.checking import CHECK_INVARIANTS
from comms.cli import app
from comms.errors import InvariantsBroken
from comms.services.checking import INVARIANTS
from comms.store.models import JobRun
from comms.store.session import Sessions, reading, writing
from tests.factories import make_email, make_therapist
from tests.installation import configured

WITHOUT_KAFKA = [invariant for invariant in INVARIANTS if not invariant.kafka]


@pytest.fixture(autouse=True)
def _installed(database_url: str, tmp_path: Path) -> Iterator[None]:
    with configured({"DATABASE_URL": database_url, "COMMS_HOME": str(tmp_path)}):
        yield


def break_something(sessions: Sessions) -> str:
    """An email that nobody announced and that holds no contact."""
    with writing(sessions) as session:
        return f"email:{make_email(session, make_therapist(session)).id}"


def job_states(sessions: Sessions) -> list[str]:
    with reading(sessions) as session:
        return list(session.scalars(select(JobRun.state).where(JobRun.job == CHECK_INVARIANTS).order_by(JobRun.id)))


def test_while_all_holds_it_says_so(sessions: Sessions) -> None:
    told = CliRunner().invoke(app, ["check"])
    assert (told.exit_code, told.stdout) == (0, f"all {len(WITHOUT_KAFKA)} invariants hold\n")
    assert CliRunner().invoke(app, ["run", "check-invariants"], catch_exceptions=False).exit_code == 0
    assert job_states(sessions) == ["completed"]


def test_a_row_that_breaks_a_promise_is_named_and_the_exit_code_is_1(sessions: Sessions) -> None:
    row = break_something(sessions)
    told = CliRunner().invoke(app, ["check", "--json"])
    assert told.exit_code == 1
    assert json.loads(told.stdout)["broken"] == {
        "waits_without_contact": [row],
        "email_created_not_told_once": [row],
    }
    shown = CliRunner().invoke(app, ["check"])
    assert (shown.exit_code, shown.stdout.count(row)) == (1, 2)


def test_the_job_fails_and_says_why(sessions: Sessions) -> None:
    row = break_something(sessions)
    ended = CliRunner().invoke(app, ["run", "check-invariants"])
    assert isinstance(ended.exception, InvariantsBroken)
    assert f"waits_without_contact: {row}" in str(ended.exception)
    assert job_states(sessions) == ["failed"]
