"""A session in a document: shell blocks, each with the block of what it prints, run one after the other in one shell.

What is printed may be abbreviated by `…`: anywhere in a line of text, alone for any lines, or as the last entry of an
object or list. Instants, dates and tags in JSON stand for any others.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_END = "\x1e"
_ANY = {
    "an instant": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
    "a date": re.compile(r"\d{4}-\d\d-\d\d"),
    "a time": re.compile(r"\d\d:\d\d"),
    "a tag": re.compile(r'"[0-9a-f]{24}"'),
}


@dataclass(frozen=True)
class Step:
    """`shown` is what the document says that `command` prints: nothing, JSON, an HTTP answer, or text."""

    command: str
    kind: str
    shown: str


def read_steps(page: Path) -> list[Step]:
    """Every `bash` block, with the block after it if that is `json`, `http` or `text`."""
    blocks = [(match[1], match[2]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]
    following = [*blocks[1:], ("", "")]
    return [
        Step(command, *(after if after[0] in ("json", "http", "text") else ("", "")))
        for (kind, command), after in zip(blocks, following, strict=True)
        if kind == "bash"
    ]


def run_steps(steps: list[Step], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run them in one shell; what each printed. A command that fails ends it."""
    script = "".join(f"{step.command}\nprintf '{_END}'\n" for step in steps)
    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=script, env=environment, cwd=folder, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    printed = done.stdout.split(_END)
    assert done.returncode == 0, f"{steps[len(printed) - 1].command}\n{printed[-1]}\n{done.stderr}"
    return printed[:-1]


def differences(step: Step, printed: str) -> list[str]:
    """Say where what was printed is not what the document shows."""
    if step.kind == "http":
        return list(_compare_answers(step.shown, printed))
    if step.kind == "json":
        return list(_compare(_abbreviated(step.shown), json.loads(printed), "$"))
    return list(_compare_lines(step.shown.strip(), printed.strip()))


def _compare_lines(shown: str, real: str) -> Iterator[str]:
    """Text line by line, blanks at their ends aside; `…` is anything in a line, a line of its own any lines."""
    lines = [re.escape(line.rstrip()).replace("…", ".*") for line in shown.splitlines()]
    wanted = "".join("(.*\n)*" if line == ".*" else f"{line} *\n" for line in lines)
    if not re.fullmatch(wanted, f"{real}\n" if real else ""):
        yield f"output: {real!r}, not {shown!r}"


def _compare_answers(shown: str, printed: str) -> Iterator[str]:
    head, _, body = shown.partition("\n\n")
    real_head, _, real_body = printed.replace("\r\n", "\n").partition("\n\n")
    (status, *headers), (real_status, *real_headers) = head.splitlines(), real_head.splitlines()
    yield from _compare(status, real_status, "status")
    real = dict(line.lower().split(": ", 1) for line in real_headers)
    for name, value in (line.split(": ", 1) for line in headers):
        yield from _compare(value.lower(), real.get(name.lower(), "(no such header)"), name)
    if body.strip():
        yield from _compare(_abbreviated(body), json.loads(real_body), "$")


def _compare(shown: Any, real: Any, place: str) -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(real, dict):
        yield from _compare_objects(shown, real, place)
    elif isinstance(shown, list) and isinstance(real, list):
        yield from _compare_lists(shown, real, place)
    elif isinstance(shown, str) and isinstance(real, str):
        if not _same_text(shown, real):
            yield f"{place}: {real!r}, not {shown!r}"
    elif shown != real or type(shown) is not type(real):
        yield f"{place}: {real!r}, not {shown!r}"


def _compare_objects(shown: dict[str, Any], real: dict[str, Any], place: str) -> Iterator[str]:
    names = [name for name in shown if name != "…"]
    if missing := [name for name in names if name not in real]:
        yield f"{place}: has no {', '.join(missing)}"
    if "…" not in shown and (more := sorted(set(real) - set(names))):
        yield f"{place}: has also {', '.join(more)}"
    for name in names:
        if name in real:
            yield from _compare(shown[name], real[name], f"{place}.{name}")


def _compare_lists(shown: list[Any], real: list[Any], place: str) -> Iterator[str]:
    entries = [entry for entry in shown if entry != "…"]
    if len(real) < len(entries) or (len(real) > len(entries) and "…" not in shown):
        yield f"{place}: has {len(real)} entries"
    for index, (one, other) in enumerate(zip(entries, real, strict=False)):
        yield from _compare(one, other, f"{place}[{index}]")


def _same_text(shown: str, real: str) -> bool:
    if any(pattern.fullmatch(shown) and pattern.fullmatch(real) for pattern in _ANY.values()):
        return True
    start, abbreviated, _ = shown.partition("…")
    return real.startswith(start) if abbreviated else shown == real


def _abbreviated(text: str) -> Any:
    """Read JSON in which `…` may stand for further entries."""
    closers: list[str] = []

    def note(match: re.Match[str]) -> str:
        token = match[0]
        if token in "{[":
            closers.append(token)
        elif token in "}]":
            closers.pop()
        elif token == "…":
            return '"…": null' if closers[-1] == "{" else '"…"'
        return token

    return json.loads(re.sub(r'"(?:\\.|[^"\\])*"|[{}\[\]]|…', note, text))
