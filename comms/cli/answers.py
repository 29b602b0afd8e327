"""Answers as they are typed: `--answer 17=accepted --all rejected --date 2026-11-23`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from comms.errors import BadInput
from comms.rules.states import Outcome


def read_answers(named: Sequence[str], rest: str | None, asked: Sequence[int]) -> dict[int, Outcome]:
    """Read `REQUEST=OUTCOME` for some and one outcome for the rest of those `asked`; BadInput for one named twice."""
    outcomes = dict.fromkeys(asked, read_outcome(rest, "--all")) if rest else {}
    seen: set[int] = set()
    for text in named:
        request_id, outcome = _read_one(text)
        if request_id in seen:
            raise BadInput(f"placement request {request_id} is named twice", where="--answer")
        seen.add(request_id)
        outcomes[request_id] = outcome
    return outcomes


def _read_one(text: str) -> tuple[int, Outcome]:
    request, equals, outcome = text.partition("=")
    if not equals or not request.strip().isdecimal():
        raise BadInput("write it like 17=accepted", where="--answer")
    return int(request), read_outcome(outcome, "--answer")


def read_outcome(text: str, where: str) -> Outcome:
    """Read an outcome in any case, with `-` or `_`."""
    try:
        return Outcome(text.strip().lower().replace("-", "_"))
    except ValueError:
        raise BadInput(f"an outcome is one of: {', '.join(Outcome)}", where=where) from None


def read_day(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Read a local day as an instant of it: now if it is today, else noon."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadInput("not a date; write it like 2026-11-23", where="--date") from None
    return now if day == now.astimezone(zone).date() else datetime.combine(day, time(12), zone)
