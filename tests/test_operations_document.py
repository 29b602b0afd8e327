"""The runbook of `docs/operations.md`, run as it is printed: a fresh database, a relay that fails twice, one shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.servers.quick import quick_commands
from tests.servers.script import Behaviour, Drop, Session
from tests.servers.smtp import SmtpServer
from tests.shell_session import differences, read_steps, run_steps
from tests.test_layout import ROOT

PAGE = ROOT / "docs/operations.md"
STEPS = read_steps(PAGE)


def fails_twice() -> Callable[[Session], Behaviour]:
    """The answer to the first letter gets lost, the second is refused for good; all others are taken."""
    letters = count(1)
    trouble: dict[int, Behaviour] = {1: Drop(), 2: "554 5.6.0 not like this"}
    return lambda _: trouble.get(next(letters))


@pytest.mark.slow
def test_the_runbook_prints_what_it_says(tmp_path: Path) -> None:
    with SmtpServer({"content": fails_twice()}) as relay, quick_commands(tmp_path) as commands:
        environment = {
            "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
            "HOME": str(tmp_path),
            "COMMS_HOME": str(tmp_path / "home"),
            "COMMS_SMTP_CONNECTIONS": "1",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(relay.port),
        }
        printed = run_steps(STEPS, tmp_path, environment)

    found = {step.command: differences(step, text) for step, text in zip(STEPS, printed, strict=True)}
    assert {command: told for command, told in found.items() if told} == {}


def test_the_runbook_goes_from_the_first_installation_to_the_day_a_backup_comes_back() -> None:
    commands = " ".join(step.command for step in STEPS)
    verbs = (
        "upgrade",
        "doctor",
        "create",
        "resolve",
        "requeue",
        "dead-letters",
        "drain",
        "rotate",
        "backup",
        "restore",
    )
    assert [verb for verb in verbs if f" {verb}" not in commands] == []
