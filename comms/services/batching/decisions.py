"""The stored plan of a run: why every therapist was or was not contacted, and what became of every request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Update, case, delete, insert, update
from sqlalchemy.orm import Session

from comms.rules.batching import Decision
from comms.rules.contact import Verdict
from comms.store.models import PlanDecision, table_of

ROWS_PER_INSERT = 5_000
_NEW = insert(table_of(PlanDecision))


def store_decisions(session: Session, run_key: str, decisions: Sequence[Decision], at: datetime) -> None:
    """Write down a plan; planning again under the same key replaces it."""
    rows = [{"run_key": run_key, "decided_at": at} | row for decision in decisions for row in _rows(decision)]
    session.execute(delete(PlanDecision).where(PlanDecision.run_key == run_key))
    for start in range(0, len(rows), ROWS_PER_INSERT):
        session.connection().execute(_NEW, rows[start : start + ROWS_PER_INSERT])


def _rows(decision: Decision) -> Iterator[dict[str, Any]]:
    shared = {"therapist_id": decision.therapist_id, "next_date": decision.verdict.next_date}
    yield shared | {"placement_request_id": None, "reason": decision.verdict.reason, "position": None}
    for fate in decision.fates:
        yield shared | {"placement_request_id": fate.request_id, "reason": fate.reason, "position": fate.position}


def note_emails(session: Session, run_key: str, emails: Mapping[int, int]) -> None:
    """Tie the decisions to the emails that were made of them, {therapist: email}."""
    if emails:
        made = case(dict(emails), value=PlanDecision.therapist_id)
        session.execute(_of(run_key, emails).values(email_id=made))


def note_refusals(session: Session, run_key: str, refused: Mapping[int, Verdict]) -> None:
    """Correct the decisions about the few therapists whom this run planned to write to and then did not."""
    for therapist_id, verdict in refused.items():
        corrected = {"reason": verdict.reason, "next_date": verdict.next_date, "position": None}
        session.execute(_of(run_key, [therapist_id]).values(corrected))


def _of(run_key: str, therapists: Collection[int]) -> Update:
    """What this run decided for the emails of these therapists."""
    return (
        update(PlanDecision)
        .where(
            PlanDecision.run_key == run_key,
            PlanDecision.therapist_id.in_(sorted(therapists)),
            PlanDecision.reason.is_(None),
        )
        .execution_options(synchronize_session=False)
    )
