"""The state of the way to the relay, for all processes: working, resting after a failure, or paused by somebody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from comms.rules.replies import Reply
from comms.services.pause import pause_sending, sending_paused, sending_state
from comms.store.engines import insert_for
from comms.store.models import StaffSetting
from comms.store.staff import raise_item

KEY = "mail_channel"
ACTOR = "sender"


class Channel(StrEnum):
    WORKING = "working"
    RESTING = "resting"
    """The relay failed; nothing is tried until the rest is over."""
    PAUSED = "paused"
    """By staff, or because the relay refuses everything (`channel_misconfigured` on the staff list)."""


@dataclass(frozen=True)
class Switch:
    """The kill switch as staff see it; `resting_until` only while the breaker is open."""

    paused: bool
    since: datetime | None
    by: str | None
    note: str | None
    resting_until: datetime | None


def show_switch(session: Session, at: datetime) -> Switch:
    """Paused or not, since when, by whom and why; and whether sending rests by itself."""
    until = resting_until(session)
    return Switch(**vars(sending_state(session)), resting_until=until if until and until > at else None)


def channel_state(session: Session, at: datetime) -> Channel:
    """Say whether anything may be sent at the moment."""
    if sending_paused(session):
        return Channel.PAUSED
    until = resting_until(session)
    return Channel.RESTING if until and until > at else Channel.WORKING


def resting_until(session: Session) -> datetime | None:
    """End of the present or latest rest; None once an email was taken after it."""
    setting = session.get(StaffSetting, KEY, populate_existing=True)
    return datetime.fromisoformat(setting.value["until"]) if setting else None


def let_channel_rest(session: Session, reply: Reply, at: datetime, rest: timedelta) -> None:
    """Open the breaker for `rest`; the row says why, in codes."""
    value = {"until": (at + rest).isoformat()} | codes(reply)
    row = {"key": KEY, "value": value, "updated_at": at, "updated_by": ACTOR, "note": None}
    upsert = insert_for(session)(StaffSetting).values(row)
    changes = {name: upsert.excluded[name] for name in row if name != "key"}
    session.execute(upsert.on_conflict_do_update(index_elements=["key"], set_=changes))


def end_rest(session: Session) -> None:
    """Forget the last failure: an email was taken."""
    session.execute(delete(StaffSetting).where(StaffSetting.key == KEY))


def pause_channel(session: Session, reply: Reply, at: datetime) -> None:
    """Stop all sending until a person has mended the configuration and resumes."""
    pause_sending(session, ACTOR, at, str(reply))
    raise_item(session, "channel", 0, "channel_misconfigured", at, details=codes(reply))


def codes(reply: Reply) -> dict[str, Any]:
    """A reply as it may be stored and shown."""
    return {"phase": reply.phase.value, "code": reply.code, "enhanced": reply.enhanced, "fault": reply.fault}
