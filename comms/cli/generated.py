"""The documents that are written from the code, so that they cannot tell anything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from comms.cli.asyncapi import asyncapi_page
from comms.config import GROUPS
from comms.rules.states import CALL_MOVES, EMAIL_MOVES, EmailStatus, Move, PhoneCallStatus

RENEW = "comms docs write"
NOTICE = f"written by `{RENEW}`; `make check` compares it"

SETTINGS = """\
Read once at the start: the environment first, then `.env` in the working directory. An empty value means the default.
A secret may also stand in a file whose path is in `NAME_FILE` (Docker and Kubernetes mount secrets like that), but
not in both. Each fault stops the start with a line of its own, which has the name and never the value; a name that is
nearly one of these is a fault too."""

SPANS = """\
OpenTelemetry's own variables, from the environment only. `OTEL_EXPORTER_OTLP_ENDPOINT` or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` switches spans on; [operations](operations.md#traces) has the others."""

STATES = """\
States are adjectives or participles, moves are verbs. The table is `comms/rules/states.py`; the database knows the same
states as a CHECK, and a move is an UPDATE that succeeds only from an allowed state."""

EMAIL = """\
`sent` means that the relay took it, not that it was read. The therapist's answer is no delivery state: it has columns
of its own, per email and per placement request in it. An email `in_doubt` may have arrived: it is never sent again by
itself."""

CALL = """\
A call that was missed stays as it is; the next try is a new call. A call whose local day ends without a note becomes
`failed` with the reason `not_recorded`."""


def settings_page() -> str:
    """`docs/settings.md`: one table per subject."""
    parts = [
        f"<!-- {NOTICE} -->",
        "# Settings",
        SETTINGS,
    ]
    for group in GROUPS:
        rows = [_settings_row(field) for field in _own_fields(group)]
        parts += [f"## {group.__doc__}", _table(("name", "default", "meaning", "allowed"), rows)]
    return "\n\n".join([*parts, "## Spans", SPANS]) + "\n"


def _own_fields(group: type[BaseModel]) -> list[FieldInfo]:
    """Without those of the group it builds upon."""
    return [field for name, field in group.model_fields.items() if name in group.__annotations__]


def _settings_row(field: FieldInfo) -> tuple[str, ...]:
    name = f"`{field.validation_alias}`"
    if _told(field, "secret"):
        name += f"<br>`{field.validation_alias}_FILE`"
    return name, _shown_default(field), str(field.description), _allowed(field)


def _shown_default(field: FieldInfo) -> str:
    shown = _told(field, "shown")
    if shown:
        return str(shown)
    value = _plain_default(field)
    return f"`{value}`" if value else "none"


def _plain_default(field: FieldInfo) -> str:
    """The default as the environment would spell it; empty for none and for secrets."""
    value = field.default
    if value is None or field.default_factory or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value.key if isinstance(value, ZoneInfo) else str(value)


def _told(field: FieldInfo, key: str) -> Any:
    told = field.json_schema_extra
    return told.get(key) if isinstance(told, dict) else None


def _allowed(field: FieldInfo) -> str:
    kind = _without_none(field.annotation)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    if kind in (int, float):
        return _limits(field)
    words = [rule for rule in (*field.metadata, *get_args(kind)) if isinstance(rule, str)]
    return words[0] if words else "text"


def _without_none(kind: Any) -> Any:
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    return choices[0] if type(None) in get_args(kind) else kind


def _limits(field: FieldInfo) -> str:
    limit = {key: getattr(rule, key) for rule in field.metadata for key in ("ge", "gt", "le") if hasattr(rule, key)}
    start = limit["ge"] if "ge" in limit else f"more than {limit['gt']}"
    steps = [f", in steps of {rule.multiple_of}" for rule in field.metadata if hasattr(rule, "multiple_of")]
    return f"{start} to {limit['le']}{''.join(steps)}"


def env_example() -> str:
    """`.env.example`: every setting, commented out, with its default."""
    lines = [f"# {NOTICE}", "# Copy it to .env and uncomment what you change. Meaning and limits: docs/settings.md"]
    for group in GROUPS:
        lines += ["", f"# --- {group.__doc__}", ""]
        for field in _own_fields(group):
            lines += wrap(str(field.description), 110, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"#{field.validation_alias}={_quoted(_plain_default(field))}")
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return f"'{value}'" if any(sign in value for sign in ' "()#') else value


def states_page() -> str:
    """`docs/states.md`: two pictures and their tables, from `rules/states.py`."""
    return (
        "\n\n".join(
            [
                f"<!-- {NOTICE} -->",
                "# States",
                STATES,
                "## Email",
                EMAIL,
                *_pictured(EMAIL_MOVES, EmailStatus, ("draft", "queued")),
                "## Phone call",
                CALL,
                *_pictured(CALL_MOVES, PhoneCallStatus, ("scheduled",)),
            ]
        )
        + "\n"
    )


def _pictured(moves: Sequence[Move], states: type[StrEnum], starts: Sequence[str]) -> list[str]:
    picture = "\n".join(["```mermaid", "stateDiagram-v2", *_arrows(moves, states, starts), "```"])
    order = list(states)
    rows = [
        (f"`{move.verb}`", ", ".join(state for state in order if state in move.sources), move.target, move.by)
        for move in moves
    ]
    return [picture, _table(("verb", "from", "to", "who, when"), rows)]


def _arrows(moves: Sequence[Move], states: type[StrEnum], starts: Sequence[str]) -> Iterator[str]:
    verbs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for move in moves:
        for source in (state for state in states if state in move.sources):
            verbs[source, move.target].append(move.verb)
    yield from (f"    [*] --> {start}" for start in starts)
    yield from (f"    {source} --> {target}: {', '.join(names)}" for (source, target), names in verbs.items())
    left = {source for source, _ in verbs}
    yield from (f"    {state} --> [*]" for state in states if state not in left)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


GENERATED: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/states.md": states_page,
    "docs/asyncapi.yaml": asyncapi_page,
    ".env.example": env_example,
}
"""Path below the root of the checkout -> what it must hold."""


def outdated(root: Path) -> list[str]:
    """Name the files that are missing or differ from what the code says."""
    return [name for name, text in GENERATED.items() if _read(root / name) != text()]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def write(root: Path) -> list[str]:
    """Renew what is out of date; return its names."""
    changed = outdated(root)
    for name in changed:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GENERATED[name](), encoding="utf-8", newline="\n")
    return changed
