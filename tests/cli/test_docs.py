"""`comms docs write` and `comms docs check`: the documents that come from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values
from typer.testing import CliRunner

from comms.cli import app
from comms.cli.generated import GENERATED, env_example, outdated, settings_page, states_page, write
from comms.config import Settings
from comms.config.secret_files import is_secret
from comms.config.settings import names
from comms.rules.states import CALL_MOVES, EMAIL_MOVES, EmailStatus, Move, PhoneCallStatus

ROOT = Path(__file__).parents[2]
MOVES = (*EMAIL_MOVES, *CALL_MOVES)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that counts as a checkout, with every generated document in it."""
    (tmp_path / "pyproject.toml").touch()
    write(tmp_path)
    return tmp_path


def comms(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


def test_the_documents_of_this_checkout_are_up_to_date() -> None:
    assert outdated(ROOT) == []


@pytest.mark.parametrize("name", names())
def test_every_setting_stands_once_in_both_documents(name: str) -> None:
    assert len(re.findall(rf"^\| `{name}`", settings_page(), re.MULTILINE)) == 1
    assert len(re.findall(rf"^#{name}=", env_example(), re.MULTILINE)) == 1


def test_every_setting_says_what_it_means_and_what_is_allowed() -> None:
    rows = [row.split(" | ") for row in settings_page().splitlines() if row.startswith("| `")]

    assert len(rows) == len(names())
    assert all(len(cells) == 4 and all(cell.strip(" |") for cell in cells) for cells in rows)


def test_secrets_name_their_file_and_show_no_default() -> None:
    secrets = {str(field.validation_alias) for field in Settings.model_fields.values() if is_secret(field)}

    kafka = {"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"}
    assert secrets == {"DATABASE_URL", "SMTP_USERNAME", "SMTP_PASSWORD", "COMMS_PLATFORM_TOKEN", *kafka}
    for name in secrets:
        assert f"`{name}`<br>`{name}_FILE`" in settings_page()
        assert f"\n#{name}=\n" in env_example()


def test_the_example_with_every_line_uncommented_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    default = Settings()
    text = re.sub(r"^#([A-Z_]+=)", r"\1", env_example(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(text, encoding="utf-8")

    assert set(dotenv_values(".env")) == set(names())
    assert Settings() == default


@pytest.mark.parametrize("move", MOVES, ids=lambda move: f"{move.verb}-{move.target}")
def test_every_move_stands_in_the_picture_and_in_the_table(move: Move) -> None:
    page = states_page()

    for source in move.sources:
        assert re.search(rf"^    {source} --> {move.target}: .*\b{move.verb}\b", page, re.MULTILINE)
    assert f"| `{move.verb}` |" in page
    assert move.by in page


def test_the_pictures_have_no_arrow_that_is_no_move() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+): (.+)$", states_page(), re.MULTILINE)
    told = [(source, target, verb) for source, target, verbs in drawn for verb in verbs.split(", ")]

    assert sorted(told) == sorted((source, m.target, m.verb) for m in MOVES for source in m.sources)


@pytest.mark.parametrize("state", [*EmailStatus, *PhoneCallStatus])
def test_every_state_can_be_reached_in_the_picture(state: str) -> None:
    assert re.search(rf"--> {state}\b", states_page())


def test_check_is_content_with_what_write_wrote(checkout: Path) -> None:
    assert comms("docs", "check", "--root", str(checkout))[0] == 0


@pytest.mark.parametrize("name", GENERATED)
def test_check_names_a_changed_file_and_the_cure(checkout: Path, name: str) -> None:
    (checkout / name).write_text("something else")

    code, output = comms("docs", "check", "--root", str(checkout))

    assert code == 1
    assert output.splitlines() == [f"{name} is out of date; renew it with: comms docs write"]


def test_check_names_every_missing_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()

    code, output = comms("docs", "check", "--root", str(tmp_path))

    assert code == 1
    assert [line.split()[0] for line in output.splitlines()] == list(GENERATED)


def test_write_renews_only_what_changed(checkout: Path) -> None:
    (checkout / "docs/states.md").unlink()

    code, output = comms("docs", "write", "--root", str(checkout))

    assert (code, output) == (0, "wrote docs/states.md\n")
    assert outdated(checkout) == []


def test_write_refuses_a_folder_that_is_no_checkout(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["docs", "write", "--root", str(tmp_path)]).exit_code == 1
    assert list(tmp_path.iterdir()) == []
