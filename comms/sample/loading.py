"""`load_sample`: the sample through the real import, then what happened before today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from comms.rules.policy import BERLIN
from comms.sample.data import SEED, THERAPISTS, Row, Rows, generate
from comms.sample.history import write_history
from comms.services.correspondence import Correspondence
from comms.services.intake import ImportReport, Kind, Record, import_records
from comms.store.models import Patient, PlacementRequest, Therapist
from comms.store.session import Sessions, reading

_PART = 2000
"""Rows held at a time."""
_MODELS: dict[Kind, type[Therapist] | type[Patient] | type[PlacementRequest]] = {
    Kind.THERAPISTS: Therapist,
    Kind.PATIENTS: Patient,
    Kind.PLACEMENT_REQUESTS: PlacementRequest,
}


@dataclass
class SampleReport:
    """What was new: the import's report, and how many emails of which past were written."""

    imported: ImportReport = field(default_factory=ImportReport)
    past_emails: Counter[str] = field(default_factory=Counter)


def load_sample(
    sessions: Sessions,
    now: datetime,
    therapists: int = THERAPISTS,
    *,
    seed: int = SEED,
    correspondence: Correspondence | None = None,
) -> SampleReport:
    """Put the sample into the database. What is there already stays as it is, so running it again adds nothing.

    `correspondence` writes the past emails; without one it is the sample's own.
    """
    data = generate(therapists, seed=seed, today=now.astimezone(BERLIN).date())
    report = SampleReport()
    for kind in Kind:
        for part in _parts(getattr(data, kind.value)):
            report.imported.add(import_records(sessions, _new_records(sessions, kind, part), now, actor="sample"))
    report.past_emails = write_history(sessions, therapists, now, correspondence)
    return report


def _parts(rows: Rows) -> Iterator[list[Row]]:
    for start in range(0, len(rows), _PART):
        yield rows[start : start + _PART]


def _new_records(sessions: Sessions, kind: Kind, rows: Sequence[Row]) -> list[Record]:
    model = _MODELS[kind]
    with reading(sessions) as session:
        known = set(session.scalars(select(model.id).where(model.id.in_([row["id"] for row in rows]))))
    return [Record(kind, f"sample, {kind.value} {row['id']}", row) for row in rows if row["id"] not in known]
