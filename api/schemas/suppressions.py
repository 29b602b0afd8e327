"""Mailboxes that must never be written to, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from fastapi import Query
from pydantic import ConfigDict, Field, StringConstraints

from api.schemas.fields import Body, Line, Note, View, WordFilter

ADDRESS = {"format": "idn-email"}
"""For OpenAPI; what is one address, the service says."""


@dataclass(frozen=True)
class SuppressionFilters:
    """The query of the list."""

    mailbox: Annotated[WordFilter, Query(json_schema_extra=ADDRESS)] = None


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
        Line,
        StringConstraints(min_length=3, max_length=300),
        Field(description="Bare, without a name.", json_schema_extra=ADDRESS),
    ]
    reason: Note | None = None
