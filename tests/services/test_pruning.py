"""Old refusals are thrown away, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from comms.services import pruning
from comms.services.pruning import count_old_refusals, prune_refusals
from comms.store.models import PlanDecision
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_sent_email, make_therapist
from tests.services.email_rows import audited

LONG_AGO = NOW - timedelta(days=400)
BEFORE = NOW - timedelta(days=365)


def decide(sessions: Sessions, at: datetime, *, led_to_email: bool = False) -> int:
    """Write one row of a plan; return its id."""
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = make_sent_email(session, therapist, at=at) if led_to_email else None
        reason = None if email else "cooling_period"
        row = PlanDecision(
            run_key=str(at), decided_at=at, therapist_id=therapist.id, reason=reason, email_id=email and email.id
        )
        session.add(row)
        session.flush()
        return row.id


def prune(sessions: Sessions) -> int:
    return prune_refusals(sessions, BEFORE, NOW, "cli:test")


def left(sessions: Sessions) -> set[int]:
    with reading(sessions) as session:
        return set(session.scalars(select(PlanDecision.id)))


def test_an_empty_database_has_nothing_to_throw_away(sessions: Sessions) -> None:
    assert prune(sessions) == 0


def test_an_old_refusal_goes_and_a_younger_one_stays(sessions: Sessions) -> None:
    decide(sessions, BEFORE - timedelta(seconds=1))
    young = {decide(sessions, BEFORE), decide(sessions, NOW)}
    assert prune(sessions) == 1
    assert left(sessions) == young


def test_what_led_to_an_email_stays_however_old(sessions: Sessions) -> None:
    kept = {decide(sessions, LONG_AGO, led_to_email=True), decide(sessions, NOW)}
    assert prune(sessions) == 0
    assert left(sessions) == kept


def test_the_newest_plan_stays_however_old(sessions: Sessions) -> None:
    decide(sessions, LONG_AGO - timedelta(days=1))
    newest = {decide(sessions, LONG_AGO), decide(sessions, LONG_AGO)}
    assert prune(sessions) == 1
    assert left(sessions) == newest


def test_many_go_portion_by_portion(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "ROWS", 2)
    for number in range(5):
        decide(sessions, LONG_AGO + timedelta(minutes=number))
    kept = {decide(sessions, NOW)}
    assert prune(sessions) == 5
    assert left(sessions) == kept


def test_the_count_before_is_what_goes(sessions: Sessions) -> None:
    for at in (LONG_AGO, LONG_AGO, NOW):
        decide(sessions, at)
    with reading(sessions) as session:
        assert count_old_refusals(session, BEFORE) == 2
    assert prune(sessions) == 2
    assert prune(sessions) == 0


def test_what_was_thrown_away_before_it_was_stopped_is_in_the_audit_log(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "ROWS", 1)
    for at in (LONG_AGO, LONG_AGO, NOW):
        decide(sessions, at)
    first = [pruning.audit]

    def stopped_at_the_second(*given: Any, **details: Any) -> None:
        if not first:
            raise KeyboardInterrupt
        first.pop()(*given, **details)

    monkeypatch.setattr(pruning, "audit", stopped_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        prune(sessions)
    with reading(sessions) as session:
        assert audited(session) == [("cli:test", "database.prune", None)]
    assert len(left(sessions)) == 2


def test_it_is_told_in_the_audit_log(sessions: Sessions) -> None:
    decide(sessions, LONG_AGO), decide(sessions, NOW)
    prune(sessions)
    with reading(sessions) as session:
        assert audited(session) == [("cli:test", "database.prune", None)]
