"""Refusals of daily runs, the consecutive equal ones as one."""

from __future__ import annotations

from sqlalchemy import Subquery, and_, case, func, select

from comms.store.models import PlanDecision


def refusals(therapist_id: int) -> Subquery:
    """Select one row for every stretch of runs that refused a therapist for the same reason and until the same date.

    A stretch stands where it began, so that it keeps its place in a list while it goes on.
    """
    runs = _numbered(therapist_id)
    stretches = (
        select(
            func.min(runs.c.id).label("id"),
            runs.c.reason,
            runs.c.next_date,
            func.min(runs.c.decided_at).label("first_at"),
            func.max(runs.c.decided_at).label("last_at"),
            func.count().label("times"),
        )
        .where(runs.c.reason.is_not(None))
        .group_by(runs.c.stretch, runs.c.reason, runs.c.next_date)
    )
    return stretches.subquery()


def _numbered(therapist_id: int) -> Subquery:
    """Number the stretches: a new one begins with every decision that is not the one before."""
    order = (PlanDecision.decided_at, PlanDecision.id)
    compared = (
        select(
            PlanDecision.id,
            PlanDecision.decided_at,
            PlanDecision.reason,
            PlanDecision.next_date,
            func.lag(PlanDecision.reason).over(order_by=order).label("reason_before"),
            func.lag(PlanDecision.next_date).over(order_by=order).label("date_before"),
        )
        .where(PlanDecision.therapist_id == therapist_id, PlanDecision.placement_request_id.is_(None))
        .subquery()
    )
    same = and_(
        compared.c.reason.is_not_distinct_from(compared.c.reason_before),
        compared.c.next_date.is_not_distinct_from(compared.c.date_before),
    )
    stretch = func.sum(case((same, 0), else_=1)).over(order_by=(compared.c.decided_at, compared.c.id))
    return select(compared, stretch.label("stretch")).subquery()
