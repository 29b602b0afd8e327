"""Mailboxes that must never be written to, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, StringConstraints

from api.schemas.fields import Body, Line, Note, View, WordFilter


@dataclass(frozen=True)
class SuppressionFilters:
    """The query of the list."""

    mailbox: WordFilter = None


class SuppressionView(View):
    """`mailbox` is normalised: without case and `+tag`, an international domain in Unicode."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"reason"})

    id: int
    mailbox: str
    reason: str | None = None
    created_by: str
    created_at: datetime


class AddSuppression(Body):
    """One address in any spelling, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"address": "praxis@therapie.example", "reason": "asked by phone"}]}
    )

    address: Annotated[
        Line, StringConstraints(min_length=3, max_length=300), Field(description="Bare, without a name.")
    ]
    reason: Note | None = None
