"""The plan of the next batch over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Query

from api.paging import LAST_PAGE
from api.schemas.fields import DIGITS, IdFilter, Instant, View, known
from comms.rules.batching import Waiting
from comms.rules.contact import Reason
from comms.store.paging import Page

REASONS = tuple(dict.fromkeys(word.value for word in (*Reason, *Waiting)))
RUN_LIMIT = 500
"""Emails of one nightly run (`limit` of the deployment `daily-batch`)."""


@dataclass(frozen=True)
class PlanFilters:
    """As of when the plan is made, for how large a run, and which of its therapists are shown."""

    at: Annotated[
        Instant | None,
        Query(
            description="As if it were then (2000 to 2999); now, if not given. The nightly run is at 01:00 in Berlin."
        ),
    ] = None
    run_limit: Annotated[
        int, Query(ge=1, le=10_000, description="As if the run made at most this many emails."), DIGITS
    ] = RUN_LIMIT
    therapist_id: IdFilter = None
    reason: Annotated[
        str | None,
        Query(
            description="Therapists who wait for it, or one of whose requests does.",
            json_schema_extra={"enum": list(REASONS)},
        ),
        known(REASONS),
    ] = None
    page: Annotated[int, Query(ge=1, le=LAST_PAGE, description="From 1."), DIGITS] = 1
    limit: Annotated[int, Query(ge=1, le=100, description="Therapists in one answer."), DIGITS] = 100

    @property
    def rows(self) -> Page:
        return Page(self.limit, offset=(self.page - 1) * self.limit)


class PlannedRequestView(View):
    """Either a position in the email, counted from 1, or the reason to wait."""

    id: int
    position: int | None
    reason: Reason | Waiting | None
    explanation: str | None


class PlannedTherapistView(View):
    """One verdict: written to, or the first reason why not and the local date on which the last dated one ends."""

    therapist_id: int
    allowed: bool
    reason: Reason | None
    explanation: str | None
    next_date: date | None
    template: str | None
    placement_requests: list[PlannedRequestView]


class PlanSummaryView(View):
    """The whole plan in numbers: therapists refused by reason, requests waiting by reason."""

    therapists: int
    emails: int
    patients: int
    refused: dict[str, int]
    waiting: dict[str, int]


class PlanView(View):
    """`total` counts the therapists that the filters let through; `summary` counts everybody."""

    at: datetime
    summary: PlanSummaryView
    total: int
    therapists: list[PlannedTherapistView]
