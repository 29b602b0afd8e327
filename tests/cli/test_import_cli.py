"""`comms import` and `comms sample`, as a person types them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from comms import bootstrap
from comms.cli import main
from comms.config import get_config
from comms.store.models import Email, PlacementRequest, Therapist
from comms.store.session import make_sessions, reading
from tests.services.hostile import KEPT, REFUSED

GOOD = "id;Nachname;E-Mail\n1;Müller;a@x.example\n2;Groß;b@x.example\n"


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


class Shell:
    """Runs `comms` in an empty folder against one database, as its entry point does."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, screen: pytest.CaptureFixture[str]) -> None:
        self.folder, self.patch, self.screen = folder, patch, screen

    def comms(self, *arguments: str, **environment: str) -> Ended:
        for name, value in environment.items():
            self.patch.setenv(name, value)
        self.patch.setattr(sys, "argv", ["comms", *arguments])
        forget()
        with pytest.raises(SystemExit) as exited:
            main()
        said = self.screen.readouterr()
        code = exited.value.code
        return Ended(code if isinstance(code, int) else 0, said.out, said.err)

    def write(self, name: str, content: str | bytes) -> str:
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name


def forget() -> None:
    """Let the next command read its settings anew, as another process would."""
    for made_once in (get_config, bootstrap.engine, bootstrap.sessions, bootstrap.correspondence):
        made_once.cache_clear()


@pytest.fixture
def shell(
    empty_sqlite: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DATABASE_URL", empty_sqlite.url.render_as_string(hide_password=False))
    yield Shell(folder, monkeypatch, capsys)
    bootstrap.engine().dispose()
    forget()


def names(engine: Engine) -> set[str | None]:
    with reading(make_sessions(engine)) as session:
        return set(session.scalars(select(Therapist.last_name)))


def test_files_of_all_kinds_go_in_together_in_any_order(shell: Shell, empty_sqlite: Engine) -> None:
    requests = shell.write("anfragen.csv", "id,patient_id,therapist_id,status\n1,1,1,offen\n2,1,2,offen\n")
    patients = shell.write("patients.json", '[{"id": 1, "diagnose": "F32.1 G"}]')
    therapists = shell.write("therapists.csv", b"\xef\xbb\xbf" + GOOD.encode())

    done = shell.comms("import", requests, patients, therapists, "--json")

    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert {kind: counts["created"] for kind, counts in said["counts"].items()} == {
        "therapists": 2,
        "patients": 1,
        "placement_requests": 2,
    }
    assert (said["refused"], said["stubs"]) == ([], {})
    assert names(empty_sqlite) == {"Müller", "Groß"}


def test_a_refused_row_is_shown_with_place_field_and_reason_and_the_rest_goes_in(
    shell: Shell, empty_sqlite: Engine
) -> None:
    name = shell.write(
        "therapists.csv", (GOOD + "drei;Geheim;geheim@x.example\n4;;geheim2@x.example\n").encode("cp1252")
    )

    done = shell.comms("import", name)

    assert done.returncode == 1
    assert "therapists.csv, line 4  id         not_an_id" in done.stdout
    assert "therapists.csv, line 5  last_name  name_missing" in done.stdout
    assert "geheim" not in (done.stdout + done.stderr).lower()
    assert names(empty_sqlite) == {"Müller", "Groß"}


def test_a_file_that_cannot_be_read_is_named_and_nothing_goes_in(shell: Shell, empty_sqlite: Engine) -> None:
    good = shell.write("therapists.csv", GOOD)
    bad = shell.write("patients.json", "[{")

    done = shell.comms("import", good, bad, "none.csv")

    assert done.returncode == 2
    assert "patients.json: not JSON: line 1, column 3" in done.stderr
    assert "none.csv: cannot be opened" in done.stderr
    assert names(empty_sqlite) == set()


def test_a_dry_run_writes_nothing(shell: Shell, empty_sqlite: Engine) -> None:
    done = shell.comms("import", shell.write("therapists.csv", GOOD), "--dry-run")

    assert done.returncode == 0
    assert "would be imported" in done.stdout
    assert names(empty_sqlite) == set()


def test_the_kind_can_be_said_and_an_unknown_kind_is_named(shell: Shell, empty_sqlite: Engine) -> None:
    name = shell.write("x.csv", GOOD)

    assert shell.comms("import", name, "--kind", "therapists").returncode == 0
    refused = shell.comms("import", name, "--kind", "doctors")

    assert refused.returncode == 1
    assert "--kind: one of: therapists, patients, placement_requests" in refused.stderr
    assert names(empty_sqlite) == {"Müller", "Groß"}


def test_hostile_values_names_and_fields_reach_no_terminal(shell: Shell) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "nachname": text} for n, text in enumerate([*REFUSED, *KEPT], 1)]
    rows.append({"id": 1000, "nachname": "A", "\x1b[31m[bold red]x[/]\r\n" + "y" * 10_000: 1})
    name = shell.write("[bold]therapists[!].json", json.dumps(rows))

    done = shell.comms("import", name)

    assert done.returncode == 1
    for harmful in ("\x1b", "\x00", "\u202e", "DROP TABLE", "Bcc", "y" * 50):
        assert harmful not in done.stdout + done.stderr
    assert "[bold]therapists[!].json, row 1 " in done.stdout
    assert "Traceback" not in done.stderr


def test_the_sample_written_to_files_is_what_the_loaded_one_is(shell: Shell, empty_sqlite: Engine) -> None:
    loaded = shell.comms("sample", "load", "--therapists", "12", "--json")
    assert (loaded.returncode, loaded.stderr) == (0, "")
    written = shell.comms("sample", "write", "files", "--therapists", "12")
    assert [Path(line).name for line in written.stdout.split()] == [
        "therapists.json",
        "patients.json",
        "placement_requests.json",
    ]

    again = shell.comms("import", *(f"files/{kind}.json" for kind in ("patients", "therapists", "placement_requests")))

    assert again.returncode == 0
    with reading(make_sessions(empty_sqlite)) as session:
        emails = session.scalars(select(Email.status)).all()
        requests = len(session.scalars(select(PlacementRequest.id)).all())
        assert (len(names(empty_sqlite)) > 5, set(emails), requests) == (True, {"sent"}, 60)
        assert set(session.scalars(select(Therapist.version))) == {1}


def test_sample_data_stays_out_of_production(shell: Shell, empty_sqlite: Engine) -> None:
    production = {
        "COMMS_ENVIRONMENT": "production",
        "COMMS_LEGAL_FOOTER": "Impressum",
        "EMAIL_SENDER": "vermittlung@platzsuche.de",
        "COMMS_REPLY_TO": "antwort@platzsuche.de",
        "COMMS_UNSUBSCRIBE": "abmeldung@platzsuche.de",
        "COMMS_ORGANISATION": "Platzsuche",
    }

    done = shell.comms("sample", "load", **production)

    assert done.returncode == 1
    assert "does not go into a production database" in done.stderr
    assert names(empty_sqlite) == set()
