"""What a timeline is made of: one query per source, all with the same columns, so that the database can put them in
one order.

Where two things happened at the same instant, a later part comes after an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, literal

from comms.services.timeline import calls, emails
from comms.services.timeline.columns import entry
from comms.services.timeline.refusals import refusals


class Kind(StrEnum):
    EMAIL = "email"
    ANSWER = "answer"
    CALL = "call"
    REFUSAL = "refusal"
    OVERRIDE = "override"


Part = Callable[[int], Select[Any]]


def entries(therapist_id: int, kinds: Collection[Kind]) -> list[Select[Any]]:
    """Queries for all that is known of these kinds."""
    return [
        part(therapist_id).add_columns(literal(kind.value).label("kind"), literal(rank).label("rank"))
        for rank, (kind, part) in enumerate(_PARTS)
        if kind in kinds
    ]


def _refused(therapist_id: int) -> Select[Any]:
    run = refusals(therapist_id)
    said = {"code": run.c.reason, "next_date": run.c.next_date, "last_at": run.c.last_at, "times": run.c.times}
    return entry("refused", run.c.first_at, run.c.id, **said)


_PARTS: tuple[tuple[Kind, Part], ...] = (
    (Kind.REFUSAL, _refused),
    (Kind.EMAIL, emails.created),
    (Kind.OVERRIDE, emails.overridden),
    (Kind.EMAIL, emails.queued_before),
    (Kind.EMAIL, emails.queued),
    (Kind.EMAIL, emails.attempts),
    (Kind.EMAIL, emails.sent),
    (Kind.EMAIL, emails.ended),
    (Kind.ANSWER, emails.received),
    (Kind.ANSWER, emails.outcomes),
    (Kind.OVERRIDE, calls.overridden),
    (Kind.CALL, calls.booked),
    (Kind.CALL, calls.rescheduled),
    (Kind.CALL, calls.missed),
    (Kind.CALL, calls.reached),
    (Kind.ANSWER, calls.outcomes),
    (Kind.CALL, calls.canceled),
)
