"""What happened with therapists before a call: the last emails and the last calls, a few of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session

from comms.rules.states import EmailStatus, PhoneCallStatus
from comms.store.models import Email, PhoneCall

SHOWN = 5
"""Of each kind, newest first."""


@dataclass(frozen=True)
class EarlierEmail:
    id: int
    status: str
    template: str | None
    created_at: datetime
    sent_at: datetime | None
    response_received: bool
    response_date: datetime | None


@dataclass(frozen=True)
class EarlierCall:
    id: int
    status: str
    status_reason: str | None
    starts_at: datetime
    actual_at: datetime | None
    outcome: str | None
    notes: str | None


@dataclass
class History:
    emails: list[EarlierEmail] = field(default_factory=list)
    calls: list[EarlierCall] = field(default_factory=list)


def histories(session: Session, therapist_ids: Collection[int]) -> dict[int, History]:
    """Read the history of each therapist, in two queries; calls that are still to be made are no history."""
    found: dict[int, History] = defaultdict(History)
    written = Email.status != EmailStatus.DRAFT
    for row in session.execute(_last(EarlierEmail, Email, therapist_ids, written)):
        found[row.therapist_id].emails.append(EarlierEmail(**_values(row)))
    over = PhoneCall.status != PhoneCallStatus.SCHEDULED
    for row in session.execute(_last(EarlierCall, PhoneCall, therapist_ids, over)):
        found[row.therapist_id].calls.append(EarlierCall(**_values(row)))
    return found


def _last(
    view: type[Any],
    model: type[Email] | type[PhoneCall],
    therapist_ids: Collection[int],
    condition: ColumnElement[bool],
) -> Select[Any]:
    """The newest rows of each therapist, one more than is shown: the call that asks may be among them."""
    columns = [getattr(model, name) for name in view.__dataclass_fields__]
    place = func.row_number().over(partition_by=model.therapist_id, order_by=model.id.desc()).label("place")
    rows = select(model.therapist_id, place, *columns).where(model.therapist_id.in_(sorted(therapist_ids)), condition)
    numbered = rows.subquery()
    return select(numbered).where(numbered.c.place <= SHOWN + 1).order_by(numbered.c.therapist_id, numbered.c.place)


def _values(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in ("therapist_id", "place")}
