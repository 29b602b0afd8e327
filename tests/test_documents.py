"""What the documents say exists: every command, every target, every link, every word of the glossary."""

from __future__ import annotations

import pkgutil
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from comms.cli import app
from comms.services.checking import INVARIANTS
from comms.store.staff import REASONS
from tests.test_layout import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deployments/*.md")])
CODE = re.compile(r"```(?:console|bash|sh)\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def code_lines(page: Path) -> list[str]:
    """Lines of shell blocks without their comments, and what stands between backticks."""
    blocks = [block or span for block, span in CODE.findall(page.read_text(encoding="utf-8"))]
    return [line.split("  #")[0].strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]


def told(program: str) -> list[tuple[str, str]]:
    """Every call of a program that the documents show: (page, words)."""
    found = {
        (str(page.relative_to(ROOT)), match[1].strip())
        for page in PAGES
        for line in code_lines(page)
        if (match := re.search(rf"(?:^|[ /;&(]){program} ([^;&|>]+)", line))
    }
    return sorted(found)


@cache
def commands() -> Any:
    return typer.main.get_command(app)


def unknown_word(words: list[str]) -> str | None:
    """The first word that `comms` would not understand: a command, or an option."""
    command, options, rest = commands(), set(), []
    for word in words:
        if word.startswith("-"):
            options.add(word.split("=")[0])
        elif isinstance(command, TyperGroup):
            if word not in command.commands:
                return word
            command = command.commands[word]
        else:
            rest.append(word)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    takes_words = any(parameter.param_type_name == "argument" for parameter in command.params) or options
    return next(iter([*sorted(options - known - {"--help"}), *([] if takes_words else rest)]), None)


@pytest.mark.parametrize(("page", "words"), told("comms"))
def test_every_command_in_the_documents_exists(page: str, words: str) -> None:
    plain = re.sub(r"[\[\]…]|\.\.\.", " ", words)

    assert unknown_word(shlex.split(plain)) is None, f"{page}: comms {words}"


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert unknown_word(["db", "upgrade"]) is None
    assert unknown_word(["db", "downgrade"]) == "downgrade"
    assert unknown_word(["db", "check", "--all"]) == "--all"
    assert unknown_word(["db", "check", "emails"]) == "emails"


@pytest.mark.parametrize(("page", "words"), told("make"))
def test_every_target_in_the_documents_exists(page: str, words: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert words.split()[0] in targets or "=" in words.split()[0], page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    dead = [link for link in links if not link.startswith(("http", "mailto:")) and not (page.parent / link).exists()]

    assert dead == []


def words_of_the_glossary() -> list[tuple[str, str]]:
    """(word, where it lives) of the table "The words of the specification", as far as it says that they exist."""
    table = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").split("## The words of the specification")[1]
    rows = re.findall(r"^\| `([^`]+)` \| `([\w.]+)`", table, re.MULTILINE)
    return [(word, place) for word, place in rows]


@pytest.mark.parametrize(("word", "place"), words_of_the_glossary())
def test_every_word_of_the_glossary_lives_where_it_says(word: str, place: str) -> None:
    assert place.rpartition(".")[2] == word
    assert pkgutil.resolve_name(place) is not None


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_staff_list_stands_in_the_operations_manual(reason: str) -> None:
    assert f"`{reason}`" in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [invariant.code for invariant in INVARIANTS])
def test_every_invariant_stands_in_the_operations_manual(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs/operations.md").read_text(encoding="utf-8")
