"""Is it alive, is it ready: open without a key. What does it count: with one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.asking import JSON, Reads
from api.metrics import exposition
from api.parts import parts_of
from api.problems import RETRY_SECONDS
from api.routing import Subject, declare
from api.schemas.health import HealthView, ReadinessView
from comms.rules.scopes import Scope
from comms.services.figures import read_figures
from comms.services.readiness import AWAY, Status
from comms.store.engines import clock

routes = APIRouter(tags=["operations"])
metrics = Subject("operations", prefix="")

_TEXT = {200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": ReadinessView, "description": "The database is away, or of another version."}
}


@routes.get("/healthz")
async def get_health() -> HealthView:
    """Say that the process answers; it asks neither the database nor anybody else."""
    return HealthView(status="ok")


@routes.get("/readyz", response_model=ReadinessView, responses=_NOT_READY)
async def get_readiness(request: Request) -> Response:
    """Say how each part does, within three seconds.

    `degraded` is 200: mail fails, a job is overdue or failed, sending is paused. A part that never reported is `never`.
    """
    found = await parts_of(request).readiness.ask() or AWAY
    body = ReadinessView.model_validate(found).model_dump_json(exclude_none=True)
    if found.status is Status.UNAVAILABLE:
        return Response(body, 503, {"Retry-After": str(RETRY_SECONDS)}, JSON)
    return Response(body, 200, media_type=JSON)


@metrics.get("/metrics", **declare(Scope.OPS, more=_TEXT), response_class=Response)
def get_metrics(asked: Reads) -> Response:
    """Count what waits, what is late and what was refused; and this process's own requests by route."""
    with asked.reading() as session:
        figures = read_figures(session, clock(session))
    return Response(exposition(asked.parts.metrics, figures), media_type=CONTENT_TYPE_LATEST)
