"""An event that cannot be applied: the others go on, its subject waits, and the fifth time is the last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.services.inbox import applying, handle_events, list_dead_letters, receive
from comms.services.inbox.outcomes import TRIES
from comms.services.inbox.told import Told
from comms.store.models import InboxEvent, Patient, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, number
from tests.services.messages import THERAPIST, event


class Fault:
    """Events about `subject` bring about `error`, until there is none."""

    def __init__(self, subject: int) -> None:
        self.subject = subject
        self.error: Exception | None = ZeroDivisionError()

    def apply(self, session: Session, events: Sequence[Told], now: datetime) -> Collection[int]:
        changed = applying.apply_events(session, events, now)
        if self.error and any(told.id == self.subject for told in events):
            raise self.error  # after the effects: nothing of them may stay
        return changed


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    made = Fault(number())
    monkeypatch.setattr("comms.services.inbox.handling.apply_events", made.apply)
    return made


def take_in_patients(sessions: Sessions, ids: Sequence[int]) -> None:
    with writing(sessions) as session:
        receive(session, [event("patient.created", patient_id=id_) for id_ in ids], NOW)


def let_time_pass(sessions: Sessions) -> None:
    with writing(sessions) as session:
        due = InboxEvent.next_attempt_at.is_not(None)
        session.execute(update(InboxEvent).where(due).values(next_attempt_at=NOW - timedelta(days=365)))


def test_those_that_went_together_with_one_that_fails_are_applied(sessions: Sessions, fault: Fault) -> None:
    take_in_patients(sessions, [number(), number(), fault.subject, number(), number()])
    done = handle_events(sessions)
    assert (done.applied.total(), done.failed, done.ended) == (4, 1, "done")
    with reading(sessions) as session:
        assert session.get(Patient, fault.subject) is None


def test_what_fails_five_times_for_one_reason_is_given_up_in_the_fifth_run(sessions: Sessions, fault: Fault) -> None:
    take_in_patients(sessions, [fault.subject, number()])
    for _ in range(TRIES - 1):
        assert handle_events(sessions).failed == 1
        let_time_pass(sessions)
    assert handle_events(sessions).dead == 1
    with reading(sessions) as session:
        assert [letter.reason for letter in list_dead_letters(session)] == ["ZeroDivisionError"]


def test_another_reason_begins_to_count_anew(sessions: Sessions, fault: Fault) -> None:
    take_in_patients(sessions, [fault.subject])
    for error in (ZeroDivisionError(), ZeroDivisionError(), KeyError(), KeyError(), ZeroDivisionError()):
        fault.error = error
        assert handle_events(sessions).failed == 1
        let_time_pass(sessions)
    with reading(sessions) as session:
        assert session.scalar(select(InboxEvent.attempts)) == 1


def test_what_is_newer_of_the_subject_waits_for_the_one_that_failed_and_then_both_count(
    sessions: Sessions, fault: Fault
) -> None:
    id_ = fault.subject
    with writing(sessions) as session:
        first = event("therapist.created", therapist_id=id_, therapist_data=THERAPIST | {"ort": "Kiel"})
        second = event("therapist.updated", minutes=1, therapist_id=id_, therapist_data={"nachname": "Weiß"})
        receive(session, [first, second], NOW)
    assert handle_events(sessions).failed == 1
    fault.error = None
    assert handle_events(sessions).applied.total() == 0
    let_time_pass(sessions)
    assert handle_events(sessions).applied.total() == 2
    with reading(sessions) as session:
        found = session.get_one(Therapist, id_)
        assert (found.last_name, found.city) == ("Weiß", "Kiel")


def test_facts_that_nobody_can_use_are_given_up_and_those_that_went_with_them_are_not(sessions: Sessions) -> None:
    good, bad = number(), number()
    with writing(sessions) as session:
        for id_, status in ((good, "aktiv"), (bad, "vielleicht")):
            told = event("therapist.created", therapist_id=id_, therapist_data=THERAPIST | {"status": status})
            receive(session, [told], NOW)
    done = handle_events(sessions)
    assert (done.applied.total(), done.dead, done.failed) == (1, 1, 0)
    with reading(sessions) as session:
        assert session.get(Therapist, good)
        assert session.get(Therapist, bad) is None
