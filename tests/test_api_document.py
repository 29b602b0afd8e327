"""The session of `docs/api.md`, run as it is printed against a real server, a real relay and a fresh database."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.servers.smtp import SmtpServer
from tests.servers.uvicorn import uvicorn_server
from tests.shell_session import Step, differences, read_steps, run_steps
from tests.test_layout import ROOT

PAGE = ROOT / "docs/api.md"
STEPS = read_steps(PAGE)
PRINTED_URL = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def printed(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Step, str]:
    """What every step of the page printed."""
    assert shutil.which("curl"), "curl is missing: the session of docs/api.md needs it"
    folder = tmp_path_factory.mktemp("session")
    database = shutil.copy(sqlite_template, folder / "comms.db")
    with SmtpServer() as relay, uvicorn_server(folder, f"sqlite:///{database}") as server:
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(folder),
            "COMMS_HOME": str(folder),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(relay.port),
        }
        moved = [Step(step.command.replace(PRINTED_URL, server.url), step.kind, step.shown) for step in STEPS]
        told = run_steps(moved, folder, environment)
        return {step: text.replace(server.url, PRINTED_URL) for step, text in zip(STEPS, told, strict=True)}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.title)
def test_a_step_of_the_session_prints_what_the_page_shows(step: Step, printed: dict[Step, str]) -> None:
    assert differences(step, printed[step]) == []


def test_the_session_goes_from_the_key_to_the_answer() -> None:
    commands = " ".join(step.command for step in STEPS)
    for word in ("keys create", "/plan", "/queue", "/response", "/timeline", "If-Match", "Idempotency-Key", "link"):
        assert word in commands


@pytest.mark.parametrize(
    ("shown", "real", "found"),
    [
        ('{"id": 1, …}', '{"id": 1, "more": 2}', []),
        ('{"id": 1}', '{"id": 1, "more": 2}', ["$: has also more"]),
        ('{"id": 1, "none": 2, …}', '{"id": 1}', ["$: has no none"]),
        ('{"id": 1}', '{"id": "1"}', ["$.id: '1', not 1"]),
        ('{"on": true}', '{"on": 1}', ["$.on: 1, not True"]),
        ("[1, …]", "[1, 2, 3]", []),
        ("[1]", "[1, 2]", ["$: has 2 entries"]),
        ("[1, 2, …]", "[1]", ["$: has 1 entries"]),
        ('{"at": "2026-11-22T10:00:00Z"}', '{"at": "2027-01-01T00:00:00.5+01:00"}', []),
        ('{"at": "2026-11-22"}', '{"at": "2027-01-01"}', []),
        ('{"at": "2026-11-22"}', '{"at": null}', ["$.at: None, not '2026-11-22'"]),
        ('{"key": "comms_…"}', '{"key": "comms_x"}', []),
        ('{"key": "comms_…"}', '{"key": "x"}', ["$.key: 'x', not 'comms_…'"]),
        ('{"a": [{"b": 1, …}, …]}', '{"a": [{"b": 2, "c": 3}, 4]}', ["$.a[0].b: 2, not 1"]),
    ],
)
def test_a_difference_would_be_found(shown: str, real: str, found: list[str]) -> None:
    assert differences(Step("", "json", shown), real) == found
