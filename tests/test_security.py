"""What `SECURITY.md` claims: its tests exist, and no secret can be given on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from comms.cli import app
from comms.config.settings import secret_names
from tests.test_layout import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
SECRET = re.compile(r"pass(word|phrase|wd)|secret|token|credential|login|url$")


def commands(group: Any, path: str = "comms") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_claim_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`tests/[^|]+) \|$", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(tests/[\w/]+\.py)`", row)}

    assert len(rows) > 10
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_no_command_takes_a_secret_where_everybody_on_the_machine_could_read_it() -> None:
    words = {
        f"{path} {option}"
        for path, command in commands(typer.main.get_command(app))
        for parameter in command.params
        for option in parameter.opts
    }

    assert len(words) > 100
    assert {word for word in words if SECRET.search(word.rpartition(" ")[2].lower())} == set()


def test_every_secret_may_stand_in_a_file() -> None:
    assert {"DATABASE_URL", "SMTP_PASSWORD", "KAFKA_SASL_PASSWORD", "COMMS_PLATFORM_TOKEN"} <= set(secret_names())
