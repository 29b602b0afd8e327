"""`comms db prune`: by default it keeps a year, and a dry run changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from comms.cli import app
from comms.store.models import PlanDecision
from comms.store.session import Sessions, reading, writing
from tests.factories import make_therapist
from tests.installation import configured


@pytest.fixture(autouse=True)
def _installed(database_url: str, tmp_path: Path) -> Iterator[None]:
    with configured({"DATABASE_URL": database_url, "COMMS_HOME": str(tmp_path)}):
        yield


@pytest.fixture(autouse=True)
def _decided(sessions: Sessions) -> None:
    """Refusals of two years ago, of a hundred days ago and of now."""
    now = datetime.now(UTC)
    with writing(sessions) as session:
        therapist = make_therapist(session)
        for days in (730, 100, 0):
            at = now - timedelta(days=days)
            row = {"run_key": str(days), "decided_at": at, "therapist_id": therapist.id, "reason": "blocked"}
            session.add(PlanDecision(**row))


def run(*options: str) -> tuple[int, str]:
    told = CliRunner().invoke(app, ["db", "prune", *options])
    return told.exit_code, told.stdout


def rows(sessions: Sessions) -> int | None:
    with reading(sessions) as session:
        return session.scalar(select(func.count(PlanDecision.id)))


def test_it_throws_away_what_is_older_than_a_year(sessions: Sessions) -> None:
    assert run() == (0, "1 refusals were thrown away\n")
    assert rows(sessions) == 2


def test_a_dry_run_only_counts(sessions: Sessions) -> None:
    assert run("--dry-run", "--keep-days", "90") == (0, "2 refusals would be thrown away\n")
    assert rows(sessions) == 3


def test_programs_get_json(sessions: Sessions) -> None:
    code, said = run("--keep-days", "90", "--json")
    told = json.loads(said)
    assert (code, told["refusals"], told["dry_run"]) == (0, 2, False)


def test_less_than_a_month_is_not_kept_by_mistake(sessions: Sessions) -> None:
    assert run("--keep-days", "0")[0] == 2
    assert rows(sessions) == 3
