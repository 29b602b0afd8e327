"""The tree: what users and tools rely on is there, what must not be committed is not, and no file grows without end."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FIXED = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml", "requirements.lock"),
    *("prefect.yaml", "docker-compose.yml", ".env.example", ".gitignore", ".ci/run"),
    *("deployments", "docs", "benchmarks", "tests", "flows", "api", "api/routers"),
    *("comms/rules", "comms/store", "comms/services", "comms/gateways", "comms/templates"),
    *("docs/settings.md", "docs/states.md", "docs/glossary.md", "docs/decisions.md", "docs/operations.md"),
]

INDEX = re.compile(r"https?://[^\s/\"']+/(simple|[\w/-]*/simple)\b|(?<!no-emit-)index[-_]url\s*[= ]\s*[\"']?http")
OF_ONE_MACHINE = re.compile(r"(?<![\w.$}])/(work|root|home/\w+|Users/\w+)/")
LONGEST, LONGEST_TEST = 300, 600
"""Lines. Past them a file is split by subject."""


def committed() -> list[Path]:
    """Everything that is committed or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    found = []
    for path in committed():
        try:
            found.append((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # a picture
    return found


@pytest.mark.parametrize("name", FIXED)
def test_the_names_that_others_rely_on_exist(name: str) -> None:
    assert (ROOT / name).exists()


def test_no_package_index_is_named() -> None:
    assert [name for name, text in texts() if INDEX.search(text)] == []


def test_the_lock_holds_no_url_and_a_hash_for_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^\S+==\S+", lock, re.MULTILINE)

    assert "://" not in lock
    assert len(pinned) > 50
    assert len(re.findall(r"^\S+==\S+.*\\\n\s+--hash=sha256:", lock, re.MULTILINE)) == len(pinned)


def test_no_path_of_one_machine_is_written_down() -> None:
    assert [name for name, text in texts() if OF_ONE_MACHINE.search(text) or str(ROOT) in text] == []


def test_no_secret_and_no_data_is_committed() -> None:
    names = {path.name for path in committed()}

    assert not names & {".env", "id_rsa", "credentials.json"}
    assert not {name for name in names if name.endswith((".db", ".pem", ".key", ".pyc"))}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("--index-url " + "https://example.org" + "/simple", True),
        ("https://example.org/x/y" + "/simple/", True),
        ("index_url = " + "'http://example.org'", True),
        ("--no-emit-index-url --upgrade", False),
        ("https://example.org/simplest", False),
    ],
)
def test_an_index_would_be_found(text: str, found: bool) -> None:
    assert bool(INDEX.search(text)) is found


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (("", "home", "eva", "x"), True),
        (("", "work", "x"), True),
        (("~", "work", "x"), True),
        (("a", "work", "b"), False),
    ],
)
def test_a_path_of_one_machine_would_be_found(parts: tuple[str, ...], found: bool) -> None:
    assert bool(OF_ONE_MACHINE.search("/".join(parts))) is found


def test_no_python_file_is_too_long() -> None:
    modules = {
        name: len(text.splitlines())
        for name, text in texts()
        if name.endswith(".py") and "/migrations/versions/" not in name
    }
    limits = {name: LONGEST_TEST if name.startswith("tests/") else LONGEST for name in modules}

    assert {name: lines for name, lines in modules.items() if lines > limits[name]} == {}


def test_every_package_says_what_it_is() -> None:
    """A folder of modules without __init__.py is not seen by the import contracts."""
    folders = {path.parent for path in committed() if path.suffix == ".py" and path.parent != ROOT}

    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
