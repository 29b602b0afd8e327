"""`comms --version`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from comms.cli import app
from comms.store.version import REVISION


def test_the_version_is_told_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")

    told = CliRunner().invoke(app, ["--version"])

    assert told.exit_code == 0
    assert told.stdout.endswith(f", database version {REVISION}\n")
    assert told.stdout.startswith("communication-service 0.")


def test_without_a_command_the_help_says_what_there_is() -> None:
    told = CliRunner().invoke(app, [])

    assert "--version" in told.output
    assert "staff-list" in told.output
