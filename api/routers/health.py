"""Is it alive: open without a key."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

routes = APIRouter(tags=["operations"])


class Health(BaseModel):
    status: str


@routes.get("/healthz")
async def get_health() -> Health:
    """Say that the process answers; it asks neither the database nor anybody else."""
    return Health(status="ok")
