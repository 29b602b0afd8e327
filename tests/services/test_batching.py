"""From open requests to queued emails: one claim, one transaction a chunk, and the same reasons as the plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.orm import Session

from comms.rules.batching import Decision, plan_batches
from comms.rules.contact import Reason
from comms.rules.policy import ContactPolicy, Identity
from comms.services.batching import (
    BatchReport,
    chunks_of,
    create_batch_email,
    create_batch_emails,
    plan_run,
    process_pending_requests,
)
from comms.services.batching import run as batching_run
from comms.services.batching.decisions import store_decisions
from comms.services.correspondence import Correspondence
from comms.services.letters.context import PatientLine
from comms.services.letters.render import Letters
from comms.services.planning import plan_next_batch
from comms.store import contacts
from comms.store.engines import make_engine
from comms.store.models import Email, EmailBatch, OutboxEvent, PlacementRequest, PlanDecision, StaffItem, Therapist
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import NOW, WEEK, make_patient, make_request, make_sent_email, make_therapist

POLICY = ContactPolicy()
IDENTITY = Identity(
    sender="vermittlung@platzsuche.example",
    sender_name="Vermittlung Psychotherapie",
    reply_to="antwort@platzsuche.example",
    unsubscribe="abmeldung@platzsuche.example",
    legal_footer="Platzsuche gGmbH, Berlin",
    organisation="Platzsuche",
)
CORRESPONDENCE = Correspondence(Letters(None), IDENTITY, ZoneInfo("Europe/Berlin"))


def run(sessions: Sessions, key: str = "run-1", **options: int) -> BatchReport:
    return process_pending_requests(sessions, NOW, POLICY, CORRESPONDENCE, key, **options)


def count(sessions: Sessions, model: type, *where: object) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def populate(session: Session, seed: int, therapists: int = 25) -> None:
    """A practice of everything: shared mailboxes, refusals of every kind, patients of all ages and none."""
    dice = random.Random(seed)
    for number in range(therapists):
        mailbox = f"praxis{dice.randrange(therapists)}@t.example"
        facts = dice.choice([{}, {}, {}, {"status": "blocked"}, {"do_not_contact": "no"}, {"facts_missing": True}])
        therapist = make_therapist(session, email=mailbox, **facts)
        if dice.random() < 0.2:
            make_sent_email(session, therapist, at=NOW - 2 * WEEK)
        if dice.random() < 0.2:
            holder = {f"email:{number + 9000}": [contacts.therapist_key(therapist.id)]}
            contacts.claim(session, holder, NOW - timedelta(days=dice.randrange(9)), WEEK)
            contacts.happened(session, {f"email:{number + 9000}": NOW - timedelta(days=dice.randrange(9))})
        for _ in range(dice.randrange(9)):
            registered = dice.choice([None, date(2026, dice.randrange(1, 11), 3)])
            patient = make_patient(session, registered_on=registered, facts_missing=dice.random() < 0.1)
            make_request(session, therapist, patient)


@pytest.mark.parametrize("seed", range(5))
def test_plan_and_run_at_the_same_instant_give_the_same_emails_and_the_same_reasons(
    sessions: Sessions, seed: int
) -> None:
    with writing(sessions) as session:
        populate(session, seed)
    with reading(sessions) as session:
        planned = plan_next_batch(session, NOW, POLICY)

    report = run(sessions, chunk_size=4)

    assert _emails(sessions) == {d.therapist_id: d.chosen for d in planned if d.chosen}
    assert _stored(sessions) == _expected(planned)
    assert sum(report.refused.values()) + len(report.emails) == report.therapists == len(planned)


def _emails(sessions: Sessions) -> dict[int, tuple[int, ...]]:
    query = (
        select(EmailBatch.therapist_id, EmailBatch.placement_request_id)
        .join(Email, Email.id == EmailBatch.email_id)
        .where(Email.batch_id == "run-1", Email.status == "queued", EmailBatch.live)
        .order_by(EmailBatch.priority)
    )
    found: dict[int, tuple[int, ...]] = {}
    with reading(sessions) as session:
        for therapist_id, request_id in session.execute(query):
            found[therapist_id] = (*found.get(therapist_id, ()), request_id)
    return found


def _stored(sessions: Sessions) -> set[tuple[object, ...]]:
    with reading(sessions) as session:
        rows = session.scalars(select(PlanDecision)).all()
        return {(r.therapist_id, r.placement_request_id, r.reason, r.next_date, r.position) for r in rows}


def _expected(planned: list[Decision]) -> set[tuple[object, ...]]:
    found: set[tuple[object, ...]] = set()
    for d in planned:
        found.add((d.therapist_id, None, d.verdict.reason, d.verdict.next_date, None))
        found.update((d.therapist_id, f.request_id, f.reason, d.verdict.next_date, f.position) for f in d.fates)
    return found


def test_an_email_comes_with_its_places_its_claim_its_event_and_its_requests_in_progress(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        requests = [make_request(session, therapist).id for _ in range(2)]
        keys = [contacts.therapist_key(therapist.id), contacts.mailbox_key(therapist.mailbox or "")]

    (email_id,) = run(sessions).emails.values()

    with reading(sessions) as session:
        email = session.get_one(Email, email_id)
        assert (email.status, email.template, email.queued_at, email.batch_id) == (
            "queued",
            "batch_request",
            NOW,
            "run-1",
        )
        assert {holder for holder, _ in contacts.states(session, keys).values()} == {f"email:{email_id}"}
        assert set(session.scalars(select(PlacementRequest.status))) == {"in_progress"}
        assert [(b.number, b.priority, b.live) for b in session.scalars(select(EmailBatch))] == [
            (1, 1, True),
            (2, 2, True),
        ]
        (event,) = session.scalars(select(OutboxEvent))
        assert (event.event_type, event.key) == ("communication.email_created", f"email:{email_id}")
        assert event.payload == {
            "email_id": email_id,
            "therapist_id": therapist.id,
            "placement_request_ids": requests,
            "template": "batch_request",
            "status": "queued",
        }
        assert (
            session.scalar(select(PlanDecision.email_id).where(PlanDecision.placement_request_id == requests[0]))
            == email_id
        )


def test_a_second_run_contacts_nobody_twice_and_says_why(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        for _ in range(7):
            make_request(session, therapist)
    run(sessions)

    again = run(sessions, "run-2")

    assert again.emails == {}
    assert again.refused == {Reason.CONTACTED_RECENTLY: 1}
    assert again.waiting == {Reason.CONTACTED_RECENTLY: 2}


def test_the_same_run_once_more_after_a_crash_replaces_its_decisions(sessions: Sessions) -> None:
    with writing(sessions) as session:
        make_request(session, make_therapist(session))
    run(sessions)
    stored = count(sessions, PlanDecision)

    with writing(sessions) as session:
        make_request(session, make_therapist(session))
    run(sessions)

    assert stored == 2
    assert count(sessions, PlanDecision) == 2  # only the second therapist has an open request


def test_a_therapist_whose_data_cannot_be_written_down_is_reported_and_stops_no_one_else(sessions: Sessions) -> None:
    with writing(sessions) as session:
        bad = make_therapist(session, email="no@@address.example")
        good = make_therapist(session)
        for therapist in (bad, good):
            make_request(session, therapist)

    report = run(sessions)

    assert set(report.emails) == {good.id}
    assert report.refused == {Reason.LETTER_NOT_RENDERED: 1}
    assert count(sessions, StaffItem, StaffItem.therapist_id == bad.id, StaffItem.reason == "letter_not_rendered") == 1


class LongWinded(Correspondence):
    """Greets professors with more than the column holds."""

    def write_inquiry(self, therapist: Therapist, patients: Sequence[PatientLine], at: datetime) -> dict[str, Any]:
        values = super().write_inquiry(therapist, patients, at)
        return values | {"salutation": "x" * 301} if therapist.title == "Prof." else values


def test_data_that_only_the_database_refuses_costs_no_more_than_its_own_email(empty_postgresql: Engine) -> None:
    sessions = make_sessions(empty_postgresql)
    with writing(sessions) as session:
        bad, good = make_therapist(session, title="Prof."), make_therapist(session)
        for therapist in (bad, good):
            make_request(session, therapist)
    correspondence = LongWinded(Letters(None), IDENTITY, ZoneInfo("Europe/Berlin"))

    report = process_pending_requests(sessions, NOW, POLICY, correspondence, "run-1")

    assert set(report.emails) == {good.id}
    assert report.refused == {Reason.LETTER_NOT_RENDERED: 1}


def test_while_the_rules_decide_no_transaction_waits(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL ends one that waits for a minute; a million requests may take as long."""
    held: list[int] = []

    def deciding(*given: Any) -> list[Decision]:
        held.append(sessions.kw["bind"].pool.checkedout())
        return plan_batches(*given)

    monkeypatch.setattr(batching_run, "plan_batches", deciding)
    plan_run(sessions, NOW, POLICY, "run-1")
    assert held == [0]


def _plan_then(sessions: Sessions, therapist: Therapist, **facts: object) -> dict[int, str | None]:
    """Plan, let somebody change the therapist, and only then write."""
    (chunk,) = chunks_of(plan_run(sessions, NOW, POLICY, "run-1"), 50)
    with writing(sessions) as session:
        for name, value in facts.items():
            setattr(session.get_one(Therapist, therapist.id), name, value)
    created = create_batch_emails(sessions, chunk, NOW, POLICY, CORRESPONDENCE, "run-1")
    assert created.emails == {}
    return {id_: verdict.reason for id_, verdict in created.refused.items()}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "blocked"}, Reason.BLOCKED),
        ({"do_not_contact": "no"}, Reason.DO_NOT_CONTACT),
        ({"email_refused_at": NOW}, Reason.NO_EMAIL),
    ],
)
def test_what_forbids_the_contact_between_plan_and_claim_is_seen_at_the_claim(
    sessions: Sessions, facts: dict[str, object], reason: Reason
) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        make_request(session, therapist)

    assert _plan_then(sessions, therapist, **facts) == {therapist.id: reason}
    assert count(sessions, Email) == 0


def test_a_request_withdrawn_between_plan_and_claim_makes_no_email(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        request = make_request(session, therapist)
    (chunk,) = chunks_of(plan_run(sessions, NOW, POLICY, "run-1"), 50)
    with writing(sessions) as session:
        gone = session.get_one(PlacementRequest, request.id)
        gone.status, gone.status_reason, gone.closed_at = "withdrawn", "test", NOW

    created = create_batch_emails(sessions, chunk, NOW, POLICY, CORRESPONDENCE, "run-1")

    assert created.refused[therapist.id].reason is Reason.CHANGED_MEANWHILE
    assert count(sessions, Email) == 0


def test_one_therapist_can_be_written_to_alone(sessions: Sessions) -> None:
    with writing(sessions) as session:
        one, other = make_therapist(session), make_therapist(session)
        for therapist in (one, other):
            make_request(session, therapist)

    created = create_batch_email(sessions, one.id, NOW, POLICY, CORRESPONDENCE, "api")
    again = create_batch_email(sessions, one.id, NOW, POLICY, CORRESPONDENCE, "api")

    assert set(created.emails) == {one.id}
    assert again.emails == {}


def test_a_run_that_is_storing_its_plan_holds_up_nobody_who_makes_emails(empty_postgresql: Engine) -> None:
    """Each row of a plan points at its request; a lock that waited for that would deadlock with the next plan."""
    sessions = make_sessions(empty_postgresql)
    with writing(sessions) as session:
        make_request(session, make_therapist(session))
    (chunk,) = chunks_of(plan_run(sessions, NOW, POLICY, "run-1"), 50)
    event.listen(empty_postgresql, "begin", _in_no_mood_to_wait)

    with writing(sessions) as planning:
        store_decisions(planning, "run-2", plan_next_batch(planning, NOW, POLICY), NOW)
        created = create_batch_emails(sessions, chunk, NOW, POLICY, CORRESPONDENCE, "run-1")

    event.remove(empty_postgresql, "begin", _in_no_mood_to_wait)
    assert len(created.emails) == 1


def _in_no_mood_to_wait(connection: Connection) -> None:
    connection.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")


def test_eight_runs_at_once_write_one_email_per_therapist_and_mailbox(sessions: Sessions, database_url: str) -> None:
    with writing(sessions) as session:
        populate(session, seed=7, therapists=40)
    with reading(sessions) as session:
        expected = sum(1 for d in plan_next_batch(session, NOW, POLICY) if d.chosen)

    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(_run_alone, [database_url] * 8, range(8)))

    emails = [id_ for report in reports for id_ in report.emails.values()]
    assert len(emails) == expected == count(sessions, Email, Email.status == "queued")
    assert all(sum(r.refused.values()) + len(r.emails) == r.therapists for r in reports)
    with reading(sessions) as session:
        queued = select(func.count(), func.count(Email.mailbox.distinct())).where(Email.status == "queued")
        assert tuple(session.execute(queued).one()) == (expected, expected)


def _run_alone(url: str, number: int) -> BatchReport:
    engine: Engine = make_engine(url)
    try:
        return run(make_sessions(engine), f"run-{number}", chunk_size=5)
    finally:
        engine.dispose()
