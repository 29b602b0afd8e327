"""Signs of life of what lives elsewhere: the mail channel, Kafka. Readiness reads them; nobody is asked directly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.store.engines import insert_for
from comms.store.models import Heartbeat

MAIL, KAFKA = "mail", "kafka"
OK, FAILING = "ok", "failing"


@dataclass(frozen=True)
class Beat:
    """The last sign of one part; `code` says why it fails."""

    at: datetime
    state: str
    code: str | None


def beat(session: Session, part: str, state: str, code: str | None, now: datetime) -> None:
    """Note how a part does; only the last word counts. `code` is phase and codes, never a text from outside."""
    row = {"part": part, "at": now, "state": state, "code": code}
    upsert = insert_for(session)(Heartbeat).values(row)
    changes = {name: upsert.excluded[name] for name in row if name != "part"}
    session.execute(upsert.on_conflict_do_update(index_elements=["part"], set_=changes))


def last_beats(session: Session) -> dict[str, Beat]:
    """Read the last sign of every part that ever gave one."""
    rows = session.execute(select(Heartbeat.part, Heartbeat.at, Heartbeat.state, Heartbeat.code))
    return {row.part: Beat(row.at, row.state, row.code) for row in rows}
