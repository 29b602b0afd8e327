"""The staff list and the audit log: what needs a person, and what persons did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from comms.store.appending import append
from comms.store.engines import insert_for
from comms.store.models import AuditEntry, StaffItem, table_of

_ENTRIES = table_of(AuditEntry)

REASONS = {
    "email_in_doubt": "resolve",
    "email_failed": "requeue or cancel",
    "no_slot": "calls schedule, or close",
    "tries_used_up": "close",
    "outcome_missing": "respond",
    "needs_follow_up": "respond",
    "phone_hours_unreadable": "import the hours anew",
    "channel_misconfigured": "resume",
    "letter_not_rendered": "mend the data or the template",
}
"""Every reason of the list, with the verb that ends it."""


def raise_item(
    session: Session,
    subject_type: str,
    subject_id: int,
    reason: str,
    now: datetime,
    *,
    therapist_id: int | None = None,
    details: dict[str, Any] | None = None,
    shown_from: datetime | None = None,
) -> None:
    """Put something on the staff list; doing it again while it stands there changes nothing."""
    assert reason in REASONS, reason
    row = {
        "subject_type": subject_type,
        "subject_id": subject_id,
        "reason": reason,
        "therapist_id": therapist_id,
        "details": details,
        "since": now,
        "shown_from": shown_from or now,
    }
    session.execute(insert_for(session)(StaffItem).values(row).on_conflict_do_nothing())


def raise_items(
    session: Session,
    subject_type: str,
    subjects: Mapping[int, int | None],
    reason: str,
    now: datetime,
    details: Mapping[int, dict[str, Any]] | None = None,
    shown_from: datetime | None = None,
) -> None:
    """Put many things of one kind on the list, {subject id: therapist id}; those that stand there stay as they are."""
    assert reason in REASONS, reason
    rows = [
        {
            "subject_type": subject_type,
            "subject_id": id_,
            "reason": reason,
            "therapist_id": therapist_id,
            "details": (details or {}).get(id_),
            "since": now,
            "shown_from": shown_from or now,
        }
        for id_, therapist_id in sorted(subjects.items())
    ]
    if rows:
        session.execute(insert_for(session)(StaffItem).values(rows).on_conflict_do_nothing())


def resolve_items(
    session: Session,
    subject_type: str,
    subject_ids: Collection[int],
    now: datetime,
    by: str,
    reasons: Collection[str] | None = None,
) -> int:
    """Take things off the list (all reasons unless some are named); return how many were on it."""
    done = update(StaffItem).where(
        StaffItem.subject_type == subject_type,
        StaffItem.subject_id.in_(sorted(subject_ids)),
        StaffItem.resolved_at.is_(None),
    )
    if reasons is not None:
        done = done.where(StaffItem.reason.in_(sorted(reasons)))
    changed = session.execute(
        done.values(resolved_at=now, resolved_by=by)
        .returning(StaffItem.id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


def resolve_item(session: Session, item_id: int, now: datetime, by: str) -> bool:
    """Take this one off the list; False where it was not on it any more."""
    standing = update(StaffItem).where(StaffItem.id == item_id, StaffItem.resolved_at.is_(None))
    done = standing.values(resolved_at=now, resolved_by=by).returning(StaffItem.id)
    return session.scalar(done.execution_options(synchronize_session=False)) is not None


def resolve_reason(session: Session, reason: str, now: datetime, by: str) -> None:
    """Take everything with this reason off the list, whatever its subject."""
    standing = update(StaffItem).where(StaffItem.reason == reason, StaffItem.resolved_at.is_(None))
    session.execute(standing.values(resolved_at=now, resolved_by=by).execution_options(synchronize_session=False))


def audit(
    session: Session,
    actor: str,
    action: str,
    subject_type: str,
    subject_id: int | None,
    now: datetime,
    **details: Any,
) -> None:
    """Record who did what to which row; `details` are ids, codes, and the reason a person gave."""
    audit_each(session, actor, action, subject_type, [subject_id], now, **details)


def audit_each(
    session: Session,
    actor: str,
    action: str,
    subject_type: str,
    subject_ids: Iterable[int | None],
    now: datetime,
    **details: Any,
) -> None:
    """Record that the same was done to several rows."""
    done = {"at": now, "actor": actor, "action": action, "subject_type": subject_type, "details": details or None}
    append(session, _ENTRIES, [done | {"subject_id": id_} for id_ in subject_ids])
