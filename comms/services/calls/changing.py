"""A person changes a call field by field: each change goes the way of its verb, and what stays as it was is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, MoveNotAllowed
from comms.rules.policy import CallPolicy
from comms.rules.states import PhoneCallStatus, verbs_from
from comms.services.calls.canceling import Requests, cancel_call
from comms.services.calls.completing import complete_call
from comms.services.calls.correcting import correct_time, postpone_retry, refuse_null, write_words
from comms.services.calls.facts import Call, lock_call
from comms.services.calls.missing import miss_call
from comms.services.calls.moving import reschedule_call
from comms.services.calls.times import read_change, require_past
from comms.store.staff import audit

WORDS = ("outcome", "notes")


@dataclass(frozen=True)
class Changes:
    """What is really another than before, None for what is not; `status` where it is to be another."""

    status: str | None
    starts_at: datetime | None
    minutes: int | None
    actual_at: datetime | None
    retry_after: datetime | None
    words: dict[str, str | None]


def change_call(
    session: Session,
    call_id: int,
    given: Mapping[str, Any],
    now: datetime,
    policy: CallPolicy,
    *,
    actor: str,
) -> None:
    """Bring a call to what is given, by the names of its fields in the API; absent ones stay, null clears words.

    A new status goes the way of its verb, and so does a new time. Raises what those raise.
    """
    call = lock_call(session, call_id)
    changes = _read(call, given, policy.zone)
    require_past(changes.actual_at, now, "actual")
    if changes.status is None:
        _stay(session, call, changes, now, policy, actor)
    else:
        _move(session, call, changes, now, policy, actor)
    if write_words(session, call_id, changes.words, now):
        audit(session, actor, "call.note", "phone_call", call_id, now, fields=sorted(changes.words))


def _read(call: Call, given: Mapping[str, Any], zone: ZoneInfo) -> Changes:
    refuse_null(given, "retry_after", call.retry_after)
    return Changes(
        status=_other(given.get("status"), call.status),
        starts_at=read_change(given, "scheduled", call.starts_at, zone),
        minutes=_other(given.get("duration_minutes"), call.duration_minutes),
        actual_at=read_change(given, "actual", call.actual_at, zone),
        retry_after=_other(given.get("retry_after"), call.retry_after),
        words={name: given[name] for name in WORDS if name in given},
    )


def _other(given: Any, present: object) -> Any:
    return None if given == present else given


def _stay(session: Session, call: Call, changes: Changes, now: datetime, policy: CallPolicy, actor: str) -> None:
    if changes.starts_at or changes.minutes:
        starts_at = changes.starts_at or call.starts_at
        reschedule_call(session, call.id, now, policy, actor=actor, starts_at=starts_at, minutes=changes.minutes)
    if changes.actual_at:
        correct_time(session, call, changes.actual_at, now, policy.zone)
        audit(session, actor, "call.correct", "phone_call", call.id, now)
    if changes.retry_after:
        postpone_retry(session, call, changes.retry_after, now, policy)
        audit(session, actor, "call.postpone", "phone_call", call.id, now)


def _move(session: Session, call: Call, changes: Changes, now: datetime, policy: CallPolicy, actor: str) -> None:
    if changes.starts_at or changes.minutes:
        raise BadInput("a call is moved or ended, not both at once", where="body.status")
    if changes.retry_after and changes.status != PhoneCallStatus.FAILED:
        raise BadInput("only a call that was missed has a next try", where="body.retry_after")
    if changes.status == PhoneCallStatus.COMPLETED:
        complete_call(session, call.id, now, actor=actor, at=changes.actual_at, zone=policy.zone)
    elif changes.status == PhoneCallStatus.FAILED:
        _miss(session, call, changes, now, policy, actor)
    elif changes.status == PhoneCallStatus.CANCELED:
        if changes.actual_at:
            raise Conflict("a canceled call was never made: it has no time")
        cancel_call(session, call.id, now, Requests.REOPEN, actor=actor)
    else:
        raise MoveNotAllowed(f"call {call.id}", call.status, "schedule", verbs_from("call", call.status))


def _miss(session: Session, call: Call, changes: Changes, now: datetime, policy: CallPolicy, actor: str) -> None:
    miss_call(session, call.id, now, policy, actor=actor, retry_after=changes.retry_after)
    if changes.actual_at:
        missed = lock_call(session, call.id)
        correct_time(session, missed, changes.actual_at, now, policy.zone)
