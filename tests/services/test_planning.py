"""The plan reads every fact that the contact policy looks at, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from comms.rules.contact import Reason, Verdict
from comms.rules.policy import ContactPolicy
from comms.services.planning import plan_next_batch
from comms.store import contacts
from comms.store.models import Base, Suppression, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, WEEK, make_patient, make_request, make_sent_email, make_therapist

POLICY = ContactPolicy()
DAY = timedelta(days=1)


def plan(sessions: Sessions) -> dict[int, Verdict]:
    with reading(sessions) as session:
        return {d.therapist_id: d.verdict for d in plan_next_batch(session, NOW, POLICY)}


def set_facts(**facts: object) -> Callable[[Session, Therapist], None]:
    def change(session: Session, therapist: Therapist) -> None:
        for name, value in facts.items():
            setattr(therapist, name, value)

    return change


def suppressed(session: Session, therapist: Therapist) -> None:
    session.add(Suppression(mailbox=therapist.mailbox, created_by="test", created_at=NOW))


def unanswered(session: Session, therapist: Therapist) -> None:
    make_sent_email(session, therapist, at=NOW - 2 * WEEK)


def rejected_two_weeks_ago(session: Session, therapist: Therapist) -> None:
    make_sent_email(session, therapist, at=NOW - 3 * WEEK, response_received=True, rejected_on=date(2026, 11, 9))


def contacted(session: Session, therapist: Therapist) -> None:
    contacts.claim(session, {"email:1": [contacts.therapist_key(therapist.id)]}, NOW - DAY, WEEK)
    contacts.happened(session, {"email:1": NOW - DAY})


def mailbox_contacted(session: Session, therapist: Therapist) -> None:
    contacts.claim(session, {"email:1": [contacts.mailbox_key(therapist.mailbox or "")]}, NOW - DAY, WEEK)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (set_facts(), Verdict()),
        (set_facts(status="blocked"), Verdict(Reason.BLOCKED)),
        (set_facts(status="inactive"), Verdict(Reason.INACTIVE)),
        (set_facts(do_not_contact="asked for it"), Verdict(Reason.DO_NOT_CONTACT)),
        (suppressed, Verdict(Reason.SUPPRESSED_MAILBOX)),
        (set_facts(email=None, mailbox=None), Verdict(Reason.NO_EMAIL)),
        (set_facts(email_refused_at=NOW), Verdict(Reason.NO_EMAIL)),
        (set_facts(facts_missing=True, email=None, mailbox=None), Verdict(Reason.FACTS_MISSING)),
        (rejected_two_weeks_ago, Verdict(Reason.COOLING_PERIOD, date(2026, 12, 7))),
        (set_facts(next_contact_possible=date(2027, 1, 4)), Verdict(Reason.COOLING_PERIOD, date(2027, 1, 4))),
        (unanswered, Verdict(Reason.UNANSWERED_EMAIL_PENDING)),
        (contacted, Verdict(Reason.CONTACTED_RECENTLY, date(2026, 11, 29))),
        (mailbox_contacted, Verdict(Reason.MAILBOX_CONTACTED_RECENTLY)),
    ],
)
def test_every_fact_in_the_database_reaches_the_verdict(
    sessions: Sessions, change: Callable[[Session, Therapist], None], verdict: Verdict
) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        make_request(session, therapist)
        change(session, therapist)
        id_ = therapist.id

    assert plan(sessions) == {id_: verdict}


@pytest.mark.parametrize("status", ["in_progress", "rejected", "accepted", "withdrawn"])
def test_only_open_requests_are_planned(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        make_request(session, make_therapist(session), status=status, closed_at=NOW, status_reason="test")

    assert plan(sessions) == {}


def test_an_answered_or_closed_email_blocks_nothing(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        make_request(session, therapist)
        make_sent_email(session, therapist, at=NOW - 2 * WEEK, response_received=True)
        make_sent_email(session, therapist, at=NOW - 4 * WEEK, closed_at=NOW)

    assert [verdict.allowed for verdict in plan(sessions).values()] == [True]


def test_a_patient_known_by_name_only_waits_for_its_facts(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        make_request(session, therapist, make_patient(session, facts_missing=True, registered_on=None))

    assert [verdict.reason for verdict in plan(sessions).values()] == [Reason.FACTS_MISSING]


def test_planning_writes_nothing(sessions: Sessions) -> None:
    def rows() -> list[int | None]:
        with reading(sessions) as session:
            return [session.scalar(select(func.count()).select_from(t)) for t in Base.metadata.sorted_tables]

    with writing(sessions) as session:
        make_request(session, make_therapist(session))
    before = rows()
    plan(sessions)

    assert rows() == before
