"""Stubs: rows for what is named before anything is known of it. Facts that come in later complete them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from comms.services.intake import snapshots
from comms.services.intake.records import Kind


def keep_therapist_stub(session: Session, therapist_id: int, now: datetime) -> bool:
    """Make a therapist of whom only the id is known, where there is none; says whether it is new.

    Nothing is planned for it until its facts are known (`facts_missing`).
    """
    return bool(keep_stubs(session, Kind.THERAPISTS, [therapist_id], now))


def keep_stubs(session: Session, kind: Kind, ids: Collection[int], now: datetime) -> set[int]:
    """Make therapists or patients of whom only the id is known, where there are none; return the new ids."""
    return snapshots.create_stubs(session, kind, ids, now)


def keep_request_stubs(session: Session, request_ids: Collection[int], therapist_id: int, now: datetime) -> set[int]:
    """Make placement requests of which only id and therapist are known, where there are none; return the new ids.

    The therapist, whom an email or a call names together with them, must exist. Their patient is not known: no batch
    and no first call takes them up before it is. Those that exist stay as they are, whoever their therapist is.
    """
    stub = {"therapist_id": therapist_id, "patient_id": None, "created_at": now, "updated_at": now}
    return snapshots.create(session, Kind.PLACEMENT_REQUESTS, [{"id": id_} | stub for id_ in sorted(request_ids)])
