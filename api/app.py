"""The HTTP door. So far it only says that it is there."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI(
    title="Communication service",
    description="Writes to therapists, records their answers and books calls.",
    version="0.1.0",
)


class Health(BaseModel):
    status: str


@app.get("/healthz", operation_id="getHealth", tags=["operations"])
async def health() -> Health:
    """Say that the process answers; it asks neither the database nor anybody else."""
    return Health(status="ok")
