"""Bringing over what the platform knows: open requests first, then the facts that they need."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.ports import PlatformDirectory, PlatformService
from comms.services.intake import ImportReport, Kind, import_records
from comms.services.platform.facts import ACTOR, count_faults, portions, refresh_facts
from comms.services.platform.pulling import Pulled, id_in, pull_open_requests
from comms.services.platform.updates import compare_with_platform
from comms.store.engines import MAX_KEYS
from comms.store.models import PlacementRequest
from comms.store.session import Sessions, writing


def sync_platform(
    sessions: Sessions, directory: PlatformDirectory, now: datetime, max_age: timedelta
) -> dict[str, Any]:
    """Bring in what the platform has, as far as its services answer; return counts and codes. Safe to repeat.

    A service that is slow, wrong or away costs what depends on it and nothing else. Opens its own transactions, none
    during a call.
    """
    requests = pull_requests(sessions, directory, now)
    facts = refresh_facts(sessions, directory, now, max_age)
    return requests | facts | {"faults": requests["faults"] | facts["faults"]}


def pull_requests(sessions: Sessions, directory: PlatformDirectory, now: datetime) -> dict[str, Any]:
    """Bring in the requests that the platform calls open. One that is not among them is not withdrawn by that."""
    if PlatformService.MATCHING not in directory.services:
        return _counts(Pulled(), ImportReport())
    pulled = pull_open_requests(directory)
    with writing(sessions) as session:
        overtaken = _closed_since(session, pulled.ids, now)
        if pulled.fault is None:
            compare_with_platform(session, pulled.ids, now)
    records = [record for record in pulled.records if id_in(record.fields) not in overtaken]
    return _counts(pulled, import_records(sessions, records, now, actor=ACTOR))


def _closed_since(session: Session, ids: Collection[int], pulled_at: datetime) -> set[int]:
    """Pages may be older than what an event or a person said while they were read."""
    found: set[int] = set()
    for portion in portions(sorted(ids), MAX_KEYS):
        closed = (PlacementRequest.id.in_(portion), PlacementRequest.closed_at >= pulled_at)
        found |= set(session.scalars(select(PlacementRequest.id).where(*closed)))
    return found


def _counts(pulled: Pulled, report: ImportReport) -> dict[str, Any]:
    rows = report.counts_of(Kind.PLACEMENT_REQUESTS)
    faults = [note.reason for note in report.refusals] + ([pulled.fault] if pulled.fault else [])
    counts: dict[str, Any] = {
        "pages": pulled.pages,
        "requests": rows.read,
        "requests_new": rows.created,
        "requests_changed": rows.updated,
        "faults": {},
    }
    count_faults(counts, PlatformService.MATCHING, faults)
    return counts
