"""The plan of the next batch as people look at it: a summary of everything, and one page of the therapists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from comms.errors import BadInput
from comms.rules.batching import Decision, Fate, template_for
from comms.rules.contact import Reason
from comms.rules.policy import ContactPolicy
from comms.rules.wording import explain
from comms.services.planning import plan_next_batch
from comms.store.paging import Page

YEARS = range(2000, 3000)
"""In which a plan may be asked for: further out there are no dates to count weeks to."""


@dataclass(frozen=True)
class PlannedRequest:
    """Either a `position` in the email, counted from 1, or a `reason` to wait."""

    id: int
    position: int | None
    reason: str | None
    explanation: str | None


@dataclass(frozen=True)
class PlannedTherapist:
    """The verdict, and what becomes of each open request in order; `next_date` is local."""

    therapist_id: int
    allowed: bool
    reason: Reason | None
    explanation: str | None
    next_date: date | None
    template: str | None
    placement_requests: tuple[PlannedRequest, ...]


@dataclass(frozen=True)
class PlanSummary:
    """What the batch amounts to; `refused` counts therapists by reason, `waiting` counts requests."""

    therapists: int
    emails: int
    patients: int
    refused: dict[str, int]
    waiting: dict[str, int]


@dataclass(frozen=True)
class PlanPage:
    """`total` counts the therapists that the filters let through, `summary` the whole plan whatever they are."""

    at: datetime
    summary: PlanSummary
    total: int
    therapists: tuple[PlannedTherapist, ...]


def read_plan(
    session: Session,
    at: datetime,
    policy: ContactPolicy,
    page: Page,
    *,
    run_limit: int,
    therapist_id: int | None = None,
    reason: str | None = None,
) -> PlanPage:
    """Plan as the batch would at `at` with at most `run_limit` emails, then show what was asked for.

    The whole plan is made whatever is shown: who comes first in a shared mailbox, and who is beyond the limit, depends
    on everybody else. BadInput for an instant outside of YEARS.
    """
    if at.year not in YEARS:
        raise BadInput(f"must lie between the years {YEARS[0]} and {YEARS[-1]}", where="query.at")
    decisions = plan_next_batch(session, at, policy, limit=run_limit)
    asked = [decision for decision in decisions if _is_asked(decision, therapist_id, reason)]
    shown = asked[page.offset : page.offset + page.limit]
    return PlanPage(at, summarise(decisions), len(asked), tuple(_therapist(decision) for decision in shown))


def _is_asked(decision: Decision, therapist_id: int | None, reason: str | None) -> bool:
    if therapist_id is not None and decision.therapist_id != therapist_id:
        return False
    return reason is None or reason in {decision.verdict.reason, *(fate.reason for fate in decision.fates)}


def summarise(decisions: Sequence[Decision]) -> PlanSummary:
    refused = Counter(decision.verdict.reason for decision in decisions)
    waiting = Counter(fate.reason for decision in decisions for fate in decision.fates)
    return PlanSummary(
        therapists=len(decisions),
        emails=sum(1 for decision in decisions if decision.chosen),
        patients=sum(len(decision.chosen) for decision in decisions),
        refused=_by_count(refused.most_common()),
        waiting=_by_count(waiting.most_common()),
    )


def _by_count(counted: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    return {str(reason): number for reason, number in counted if reason}


def _therapist(decision: Decision) -> PlannedTherapist:
    verdict, chosen = decision.verdict, decision.chosen
    return PlannedTherapist(
        therapist_id=decision.therapist_id,
        allowed=verdict.allowed,
        reason=verdict.reason,
        explanation=_words(verdict.reason),
        next_date=verdict.next_date,
        template=template_for(len(chosen)) if chosen else None,
        placement_requests=tuple(_request(fate) for fate in decision.fates),
    )


def _request(fate: Fate) -> PlannedRequest:
    return PlannedRequest(fate.request_id, fate.position, fate.reason, _words(fate.reason))


def _words(reason: str | None) -> str | None:
    return explain(reason) if reason else None
