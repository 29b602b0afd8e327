"""`comms templates …`"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comms.cli.templates import app
from comms.config import get_config
from comms.errors import BadInput
from comms.services.letters import Letters
from comms.services.letters.specimen import part_of, preview


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMS_ORGANISATION", "Platzsuche München")
    get_config.cache_clear()
    yield
    get_config.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_check_says_that_all_is_well() -> None:
    result = run("check")

    assert (result.exit_code, result.stdout) == (0, "every letter can be written\n")


def test_check_prints_one_line_for_each_fault_and_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMS_TEMPLATES", str(tmp_path))
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "follow_up.txt").write_text("no subject " * 40)
    (tmp_path / "de" / "falow_up.txt").write_text("x")

    result = run("check")

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "de/falow_up.txt: replaces no template and is used by none",
        "de/follow_up: has no block 'subject'",
    ]


@pytest.mark.parametrize("language", ["de", "en"])
def test_preview_prints_the_bytes_of_the_message_or_of_one_part(language: str) -> None:
    content = preview(Letters(None), "batch_request", language, get_config().identity()).content

    assert run("preview", "batch_request", "--language", language).stdout_bytes == content
    for option, subtype in (("--html", "html"), ("--text", "plain")):
        printed = run("preview", "batch_request", option, "--language", language).stdout_bytes
        assert printed == part_of(content, subtype)
        assert "Platzsuche München".encode() in printed


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("follow_up", "--language", "fr"), ("follow_up", "--html", "--text")]
)
def test_preview_refuses_what_it_cannot_print(arguments: tuple[str, ...]) -> None:
    result = run("preview", *arguments)

    assert isinstance(result.exception, BadInput)
    assert result.stdout_bytes == b""
