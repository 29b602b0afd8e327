"""How tests of the intake bring rows in and look at what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from comms.services.intake import ImportReport, Kind, Record, import_records
from comms.store.models import Patient, PlacementRequest, Therapist
from comms.store.session import Sessions, reading
from tests.factories import NOW

LATER = NOW + timedelta(days=1)


def bring(
    sessions: Sessions,
    therapists: Sequence[dict[str, Any]] = (),
    patients: Sequence[dict[str, Any]] = (),
    requests: Sequence[dict[str, Any]] = (),
    now: datetime = NOW,
    **how: Any,
) -> ImportReport:
    parts = {Kind.PLACEMENT_REQUESTS: requests, Kind.PATIENTS: patients, Kind.THERAPISTS: therapists}
    records = [Record(kind, f"{kind}, row {n}", row) for kind, rows in parts.items() for n, row in enumerate(rows, 1)]
    return import_records(sessions, records, now, **how)


def one(sessions: Sessions, model: type[Any], id_: int) -> Any:
    with reading(sessions) as session:
        return session.get_one(model, id_)


def snapshot(sessions: Sessions) -> list[dict[str, Any]]:
    """Every row of the three tables."""
    with reading(sessions) as session:
        return [
            dict(row)
            for model in (Therapist, Patient, PlacementRequest)
            for row in session.execute(select(model.__table__).order_by(model.id)).mappings()
        ]
