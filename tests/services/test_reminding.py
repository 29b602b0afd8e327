"""A reminder is an ordinary contact about an email that still waits; the answer settles both."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, ContactRefused
from comms.rules.policy import CallPolicy
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.calls import schedule_follow_up_calls
from comms.services.emails import Requests, bounce_email, cancel_email, requeue_email
from comms.services.planning import plan_next_batch
from comms.services.refreshing import Refreshed, refresh_stale_emails
from comms.services.reminding import remind_therapist
from comms.services.withdrawals import withdraw_requests
from comms.store.contacts import email_holder, happened
from comms.store.models import Email, PhoneCall, Therapist
from comms.store.session import Sessions, reading, writing
from comms.store.transitions import move_email
from tests.factories import NOW, make_request, make_therapist
from tests.invariants import broken
from tests.services.email_rows import (
    audited,
    call_about,
    email_about,
    email_in,
    event_types,
    fresh,
    holders,
    places,
    request_ids,
    statuses,
)
from tests.services.test_batching import CORRESPONDENCE, POLICY

ME = "key:test"
LATER = NOW + timedelta(days=7)
"""The window of the email has passed: a reminder is allowed."""


def remind(session: Session, email: Email, now: Any = LATER, override: str | None = None) -> Email:
    id_ = remind_therapist(session, email.id, now, ME, POLICY, CORRESPONDENCE, override)
    return session.get_one(Email, id_, populate_existing=True)


def send(session: Session, email: Email, now: Any = LATER) -> None:
    move_email(session, "claim", email.id, now, owner="s", lease_until=now, attempt=1)
    move_email(session, "accept", email.id, now, sent_at=now, handed_over_at=now)
    happened(session, {email_holder(email.id): now})


def awaited(session: Session, patients: int = 1, **facts: Any) -> tuple[Email, list[int]]:
    email = email_in(session, "sent", patients=patients, template="batch_request", **facts)
    return email, request_ids(session, email)


def test_it_speaks_of_those_who_still_wait_and_leaves_them_where_they_are(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, (one, two) = awaited(session, patients=2)
        withdraw_requests(session, [one], NOW, "withdrawn_by_platform")
        made = remind(session, email)
        assert (made.status, made.template, made.replies_to_email_id) == ("queued", "follow_up", email.id)
        assert places(session, made) == {two: (True, False)}
        assert places(session, email)[two] == (True, True)
        assert "am 23.11.2026 haben wir Sie gefragt" in " ".join(made.body_text.split())
        assert "Patient 2" in made.body_text
        assert (event_types(session)[-1], (ME, "email.remind", email.id) in audited(session)) == ("email_created", True)


def test_it_holds_the_contact_as_every_email_does(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = awaited(session)
        made = remind(session, email)
        assert holders(session, email) == {(f"email:{made.id}", LATER)}


def test_within_the_window_it_needs_a_reason_that_is_recorded(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = awaited(session)
        with pytest.raises(ContactRefused, match="until 2026-11-30: contacted_recently"):
            remind(session, email, NOW)
        with pytest.raises(BadInput, match="needs a reason"):
            remind(session, email, NOW, " ")
        session.rollback()
    with writing(sessions) as session:
        email, _ = awaited(session)
        assert remind(session, email, NOW, "bat darum").override_reason == "bat darum"


@pytest.mark.parametrize("status", ["draft", "queued", "in_doubt", "failed", "bounced"])
def test_only_an_email_that_was_sent_is_reminded_of(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        email = email_in(session, status)
        with pytest.raises(Conflict, match=f"is {status}"):
            remind(session, email)


def test_what_was_answered_or_closed_is_not_reminded_of(sessions: Sessions) -> None:
    with writing(sessions) as session:
        (answered, _), (closed, _) = awaited(session), awaited(session, closed_at=NOW)
        record_answer(session, answered.id, {}, NOW, ME)
        for email in (answered, closed):
            with pytest.raises(Conflict, match="answered or closed"):
                remind(session, email)


def test_an_email_that_asked_for_nobody_is_not_reminded_of(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_about(session, "sent", make_therapist(session), [])
        with pytest.raises(Conflict, match="waits for nobody"):
            remind(session, email)


def test_a_therapist_who_will_be_called_is_not_reminded(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, (one,) = awaited(session)
        call_about(session, email.therapist_id, one, email.id)
        with pytest.raises(Conflict, match="a call about email"):
            remind(session, email)


def test_one_at_a_time_and_never_of_a_reminder(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = awaited(session)
        made = remind(session, email)
        with pytest.raises(Conflict, match=f"email {made.id} does that already and is queued"):
            remind(session, email)
        send(session, made)
        with pytest.raises(Conflict, match=f"speaks of email {email.id}: remind of that one"):
            remind(session, made, LATER + timedelta(days=7))
        assert remind(session, email, LATER + timedelta(days=7)).status == "queued"


# what happens to the first email happens to both


@pytest.mark.parametrize("outcomes", [{}, {0: Outcome.NEEDS_FOLLOW_UP}, {0: Outcome.REJECTED}])
def test_an_answer_cancels_the_reminder_that_waits(sessions: Sessions, outcomes: dict[int, Outcome]) -> None:
    with writing(sessions) as session:
        email, ids = awaited(session, patients=2)
        made = remind(session, email)
        record_answer(session, email.id, {ids[place]: outcome for place, outcome in outcomes.items()}, LATER, ME)
        assert (fresh(session, made).status, made.status_reason) == ("canceled", "no_longer_awaited")
        assert statuses(session, ids[1]) == ["in_progress"]
        assert holders(session, email) == {(None, email.handed_over_at)}


def test_an_answer_takes_the_reminder_out_of_the_hands_of_a_sender(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = awaited(session)
        made = remind(session, email)
        version = move_email(session, "claim", made.id, LATER, owner="s", lease_until=LATER, attempt=1)
        record_answer(session, email.id, {}, LATER, ME)
        assert fresh(session, made).version > version
        move_email(session, "rescue", made.id, LATER, next_attempt_at=LATER)
    assert refresh_stale_emails(sessions, CORRESPONDENCE, LATER) == Refreshed(canceled=1)


def test_whatever_else_closes_the_first_email_cancels_the_reminder_before_it_goes(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, ids = awaited(session)
        other, _ = awaited(session)
        made, kept = remind(session, email), remind(session, other)
        bounce_email(session, email.id, LATER, ME)
    assert refresh_stale_emails(sessions, CORRESPONDENCE, LATER) == Refreshed(canceled=1)
    with writing(sessions) as session:
        assert session.get_one(Email, made.id).status == "canceled"
        assert session.get_one(Email, kept.id).status == "queued"
        assert statuses(session, *ids) == ["open"]


def test_a_patient_withdrawn_while_it_waits_is_out_of_it_and_the_rest_stays_as_it_was(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, (one, two) = awaited(session, patients=2)
        made = remind(session, email)
        before = made.body_text
        withdraw_requests(session, [one], LATER, "withdrawn_by_platform")
    assert refresh_stale_emails(sessions, CORRESPONDENCE, LATER) == Refreshed(written=1)
    with reading(sessions) as session:
        after = session.get_one(Email, made.id)
        assert places(session, after) == {one: (False, False), two: (True, False)}
        for words in ("23.11.2026", "Patient 2"):
            assert words in before
            assert words in after.body_text


def test_a_failed_one_is_not_sent_once_the_first_was_answered(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = awaited(session)
        made = remind(session, email)
        made.status = "failed"
        session.flush()
        record_answer(session, email.id, {}, LATER, ME)
        with pytest.raises(Conflict, match="awaits no answer any more"):
            requeue_email(session, made.id, LATER + timedelta(days=30), ME, POLICY)


def test_canceling_it_leaves_the_requests_to_the_first_email(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, ids = awaited(session)
        cancel_email(session, remind(session, email).id, LATER, ME, Requests.REOPEN)
        assert statuses(session, *ids) == ["in_progress"]
        assert places(session, email) == {ids[0]: (True, True)}
        assert remind(session, email).status == "queued"


def test_a_bounced_one_leaves_the_requests_to_the_first_email(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, ids = awaited(session)
        made = remind(session, email)
        send(session, made)
        bounce_email(session, made.id, LATER, ME)
        assert statuses(session, *ids) == ["in_progress"]
        assert session.get_one(Therapist, email.therapist_id).email_refused_at == LATER


def test_the_therapist_is_called_a_window_after_the_reminder_about_the_first_email_once(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = awaited(session)
        made = remind(session, email)
    assert schedule_follow_up_calls(sessions, LATER, CallPolicy()).reasons == {email.therapist_id: "contacted_recently"}
    with writing(sessions) as session:
        send(session, made)
    assert schedule_follow_up_calls(sessions, LATER + timedelta(days=6), CallPolicy()).scheduled == 0
    done = schedule_follow_up_calls(sessions, LATER + timedelta(days=7), CallPolicy())
    assert (done.scheduled, done.emails) == (1, 1)


def test_a_sent_reminder_keeps_nobody_from_the_next_batch_once_the_first_was_answered(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = awaited(session)
        send(session, remind(session, email))
        record_answer(session, email.id, {}, LATER, ME)
        make_request(session, session.get_one(Therapist, email.therapist_id))
        (decision,) = plan_next_batch(session, LATER + timedelta(days=40), POLICY, therapist_ids=[email.therapist_id])
        assert decision.verdict.reason != "unanswered_email_pending"


@pytest.mark.parametrize("_round", range(3))
def test_an_answer_and_a_reminder_at_once_never_remind_of_what_was_answered(sessions: Sessions, _round: int) -> None:
    with writing(sessions) as session:
        email, (one,) = awaited(session)
        id_ = email.id
    start = Barrier(3)

    def answering() -> None:
        with writing(sessions) as session:
            record_answer(session, id_, {one: Outcome.REJECTED}, LATER, ME)

    def reminding() -> None:
        with writing(sessions) as session:
            remind_therapist(session, id_, LATER, ME, POLICY, CORRESPONDENCE)

    def calling() -> None:
        schedule_follow_up_calls(sessions, LATER, CallPolicy())

    def run(work: Callable[[], None]) -> None:
        start.wait()
        with suppress(Conflict):
            work()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, (answering, reminding, calling)))
    with reading(sessions) as session:
        assert session.get_one(Email, id_).response_received
        assert set(session.scalars(select(Email.status).where(Email.replies_to_email_id == id_))) <= {"canceled"}
        assert set(session.scalars(select(PhoneCall.status))) <= {"canceled"}
        assert statuses(session, one) == ["rejected"]
    assert broken(sessions).keys() <= {"email_created_not_told_once", "email_sent_not_told_once"}  # made by factories
