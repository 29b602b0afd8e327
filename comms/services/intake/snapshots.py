"""The rows of platform facts: read and written a chunk at a time, in the same few statements on both engines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from comms.services.intake.fields import Columns
from comms.services.intake.merging import Change
from comms.services.intake.records import Kind
from comms.store.appending import append
from comms.store.engines import insert_for
from comms.store.models import AuditEntry, Base, Patient, PlacementRequest, Therapist, table_of

MODELS: dict[Kind, type[Base]] = {
    Kind.THERAPISTS: Therapist,
    Kind.PATIENTS: Patient,
    Kind.PLACEMENT_REQUESTS: PlacementRequest,
}
SUBJECTS = {
    Kind.THERAPISTS: "therapist",
    Kind.PATIENTS: "patient",
    Kind.PLACEMENT_REQUESTS: "placement_request",
}
_STATES = frozenset({"id", "created_at", "version", "status_reason", "closed_at"})
"""Columns that an update of facts never writes; the status of a request neither."""


def table(kind: Kind) -> Table:
    """Return the table of a kind."""
    return table_of(MODELS[kind])


def columns(kind: Kind) -> Columns:
    """Return a row of a kind that says nothing."""
    return dict.fromkeys(table(kind).c.keys())


def load(session: Session, kind: Kind, ids: Collection[int], *, lock: bool = False) -> dict[int, Columns]:
    """Read whole rows by id; with `lock` nobody else changes them until the transaction ends."""
    query = select(table(kind)).where(table(kind).c.id.in_(sorted(ids))).order_by(table(kind).c.id)
    if lock:
        query = query.with_for_update(key_share=True)
    return {row["id"]: dict(row) for row in session.execute(query).mappings()}


def create(session: Session, kind: Kind, rows: Sequence[Columns]) -> set[int]:
    """Insert what nobody inserted before; return the ids that are really new."""
    if not rows:
        return set()
    new = insert_for(session)(table(kind)).on_conflict_do_nothing(index_elements=["id"])
    return set(session.execute(new.returning(table(kind).c.id), list(rows)).scalars())


def create_stubs(session: Session, kind: Kind, ids: Iterable[int], now: datetime) -> set[int]:
    """Make rows that say nothing but their id, where there is none; return the ids that are new."""
    stub = {"facts_missing": True, "created_at": now, "updated_at": now}
    return create(session, kind, [{"id": id_} | stub for id_ in sorted(ids)])


def rewrite(session: Session, kind: Kind, rows: Sequence[Columns]) -> None:
    """Write the facts of rows that exist, each with a new version."""
    if not rows:
        return
    upsert = insert_for(session)(table(kind))
    skipped = _STATES | ({"status"} if kind is Kind.PLACEMENT_REQUESTS else set())
    values: dict[str, Any] = {name: upsert.excluded[name] for name in rows[0] if name not in skipped}
    values["version"] = table(kind).c.version + 1
    session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_=values), list(rows))


def write_trail(session: Session, changes: Iterable[Change], moved: Collection[int], now: datetime, actor: str) -> None:
    """Record who brought which row in and which of its columns changed; never their values.

    `moved` are the ids of those whose status changed besides.
    """
    rows = [
        {
            "at": now,
            "actor": actor,
            "action": f"{SUBJECTS[change.row.kind]}.import",
            "subject_type": SUBJECTS[change.row.kind],
            "subject_id": change.row.id,
            "details": {"fields": _changed(change, moved)} if change.before else {"new": True},
        }
        for change in changes
    ]
    append(session, table_of(AuditEntry), rows)


def _changed(change: Change, moved: Collection[int]) -> list[str]:
    return sorted({*change.fields, "status"}) if change.row.id in moved else change.fields
