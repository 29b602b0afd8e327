"""Roles that only one process has at a time. Who is silent for longer than the lease has lost it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from comms.store.engines import insert_for
from comms.store.models import Lease


def hold(session: Session, role: str, owner: str, now: datetime, length: timedelta) -> bool:
    """Take the role, or keep it; False while somebody else has it."""
    row = {"role": role, "owner": owner, "until": now + length}
    claim = insert_for(session)(Lease).values(row)
    mine = or_(Lease.owner == owner, Lease.until <= now)
    kept = claim.on_conflict_do_update(
        index_elements=["role"], set_={"owner": owner, "until": row["until"]}, where=mine
    )
    return session.scalar(kept.returning(Lease.owner)) is not None


def give_up(session: Session, role: str, owner: str) -> None:
    """Let the next one have it at once."""
    session.execute(delete(Lease).where(Lease.role == role, Lease.owner == owner))
