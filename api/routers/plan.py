"""What the next batch would do, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from api.asking import JSON, Reads
from api.paging import numbered_headers
from api.rendering import render
from api.routing import Subject, declare
from api.schemas.plan import PlanFilters, PlanView
from comms.rules.scopes import Scope
from comms.services.plan_pages import read_plan
from comms.store.engines import clock

routes = Subject("planning")


@routes.get("/plan", **declare(Scope.READ, PlanView))
def get_plan(filters: Annotated[PlanFilters, Depends()], asked: Reads) -> Response:
    """Show what the next batch would do, with the reason for every therapist and every request.

    First those who would be written to, the longest waiting patient first, then the others by id. The run decides with
    the same code. Every page is planned anew; `Link` keeps the instant of the first one.
    """
    with asked.reading() as session:
        plan = read_plan(
            session, filters.at or clock(session), asked.settings.contact_policy(), filters.rows,
            run_limit=filters.run_limit, therapist_id=filters.therapist_id, reason=filters.reason,
        )  # fmt: skip
    headers = numbered_headers(asked.request, filters.page, filters.limit, plan.total, at=plan.at.isoformat())
    return Response(render(PlanView, plan, asked.may(Scope.CONTENT)), 200, headers, JSON)
