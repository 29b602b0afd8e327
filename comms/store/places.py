"""Placement requests come into an email: every row of `email_batches` is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from comms.store.models import EmailBatch, PlacementRequest


def place_requests(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Write one row per request and email, with what had brought the request in; return their ids in that order."""
    if not rows:
        return []
    named = sorted({row["placement_request_id"] for row in rows})
    query = select(PlacementRequest.id, PlacementRequest.correlation_id).where(PlacementRequest.id.in_(named))
    origins = {row.id: row.correlation_id for row in session.execute(query)}
    whole = [{**row, "correlation_id": origins.get(row["placement_request_id"])} for row in rows]
    return list(session.scalars(insert(EmailBatch).returning(EmailBatch.id, sort_by_parameter_order=True), whole))
