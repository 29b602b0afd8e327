"""The session of `docs/api.md`, run as it is printed against a real server, a real relay and a fresh database."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.servers.smtp import SmtpServer
from tests.servers.uvicorn import uvicorn_server
from tests.shell_session import Step, differences, read_steps, run_steps
from tests.test_layout import ROOT

PAGE = ROOT / "docs/api.md"
STEPS = read_steps(PAGE)
PRINTED_URL = "http://127.0.0.1:8000"


@pytest.mark.slow
def test_the_session_prints_what_the_page_shows(empty_sqlite: Engine, tmp_path: Path) -> None:
    assert shutil.which("curl"), "curl is missing: the session of docs/api.md needs it"
    with SmtpServer() as relay, uvicorn_server(tmp_path, str(empty_sqlite.url)) as server:
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(tmp_path),
            "COMMS_HOME": str(tmp_path),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(relay.port),
        }
        moved = [replace(step, command=step.command.replace(PRINTED_URL, server.url)) for step in STEPS]
        printed = run_steps(moved, tmp_path, environment)
        kept = relay.wait_for(1)

    found = {step.command: differences(step, text) for step, text in zip(STEPS, printed, strict=True)}
    assert {command: told for command, told in found.items() if told} == {}
    assert kept


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


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ("one  two", "one  two   ", True),
        ("one\ntwo", "one\n", False),
        ("one …\ntwo", "one and more\ntwo", True),
        ("one … end", "one and more end", True),
        ("one … end", "one and more", False),
        ("one\n…\nlast", "one\n2\n3\nlast", True),
        ("one\n…\nlast", "one\nlast", True),
        ("one", "one\ntwo", False),
        ("a.b", "axb", False),
    ],
)
def test_a_difference_in_lines_would_be_found(shown: str, real: str, same: bool) -> None:
    assert (differences(Step("", "text", shown), real) == []) is same
