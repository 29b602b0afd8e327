"""The kill switch of sending: set by staff or by a broken channel, and still set after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from comms.store.engines import insert_for
from comms.store.models import StaffSetting
from comms.store.staff import audit, resolve_reason

KEY = "sending_paused"


@dataclass(frozen=True)
class SendingState:
    """Paused or not, since when and by whom; all None where nobody ever touched the switch."""

    paused: bool
    since: datetime | None = None
    by: str | None = None
    note: str | None = None


def sending_paused(session: Session) -> bool:
    return sending_state(session).paused


def sending_state(session: Session) -> SendingState:
    setting = session.get(StaffSetting, KEY, populate_existing=True)
    if setting is None:
        return SendingState(paused=False)
    return SendingState(bool(setting.value["paused"]), setting.updated_at, setting.updated_by, setting.note)


def pause_sending(session: Session, actor: str, now: datetime, reason: str | None = None) -> None:
    """Let no email be claimed from now on; what is already being handed over is finished."""
    _set(session, True, actor, now, reason)
    audit(session, actor, "sending.pause", "setting", None, now, reason=reason)


def resume_sending(session: Session, actor: str, now: datetime) -> None:
    """Send again, and take the faults of the channel off the staff list."""
    _set(session, False, actor, now, None)
    resolve_reason(session, "channel_misconfigured", now, actor)
    audit(session, actor, "sending.resume", "setting", None, now)


def _set(session: Session, paused: bool, actor: str, now: datetime, note: str | None) -> None:
    row = {"key": KEY, "value": {"paused": paused}, "updated_at": now, "updated_by": actor, "note": note}
    upsert = insert_for(session)(StaffSetting).values(row)
    changes = {name: upsert.excluded[name] for name in row if name != "key"}
    session.execute(upsert.on_conflict_do_update(index_elements=["key"], set_=changes))
