"""Closing requests and opening them again, wherever they wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from comms.rules.policy import ContactPolicy
from comms.rules.states import Outcome, RequestStatus
from comms.services.answers import record_answer
from comms.services.emails import requeue_email, resolve_email
from comms.services.places import drop_ended_places
from comms.services.stopping import stop_contacting
from comms.services.withdrawals import Withdrawal, reopen_requests, withdraw_requests
from comms.store.models import DeliveryAttempt, Email, OutboxEvent, Patient, PhoneCall, PlacementRequest, Therapist
from comms.store.session import Sessions, make_sessions, writing
from comms.store.staff import raise_item
from comms.store.transitions import move_email, move_emails
from tests.factories import NOW, make_email, make_patient, make_request, make_therapist
from tests.services.email_rows import (
    HANDED_OVER,
    call_about,
    email_about,
    email_in,
    event_types,
    events,
    fresh,
    holders,
    places,
    request_ids,
    staff_items,
    statuses,
)

WHY = "withdrawn_by_platform"
POLICY = ContactPolicy()


def test_a_withdrawn_request_is_closed_with_its_reason(sessions: Sessions) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session))
        assert withdraw_requests(session, [request.id], NOW, WHY) == Withdrawal(requests=(request.id,))
        row = fresh(session, request)
        assert (row.status, row.status_reason, row.closed_at) == ("withdrawn", WHY, NOW)


def test_withdrawing_twice_changes_nothing_more(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "queued", patients=2)
        one, _ = request_ids(session, email)
        withdraw_requests(session, [one], NOW, WHY)
        version = fresh(session, email).version
        assert withdraw_requests(session, [one], NOW, WHY) == Withdrawal()
        assert fresh(session, email).version == version


def test_withdrawing_nothing_is_nothing(sessions: Sessions) -> None:
    with writing(sessions) as session:
        assert withdraw_requests(session, [], NOW, WHY) == Withdrawal()


@pytest.mark.parametrize("status", ["draft", "queued", "sending", "failed"])
def test_an_email_that_can_still_change_loses_the_person_and_becomes_stale(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        email = email_in(session, status, patients=2)
        one, two = request_ids(session, email)
        version, live = email.version, status in ("queued", "sending")
        assert withdraw_requests(session, [one], NOW, WHY).emails_stale == (email.id,)
        changed = fresh(session, email)
        assert (changed.status, changed.stale, changed.version) == (status, True, version + 1)
        assert places(session, email) == {one: (False, False), two: (True, live)}
        assert event_types(session) == []


@pytest.mark.parametrize("status", ["draft", "queued", "failed"])
def test_an_email_that_nobody_is_left_in_is_canceled(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        email = email_in(session, status, patients=2)
        asked = request_ids(session, email)
        assert withdraw_requests(session, asked, NOW, WHY).emails_canceled == (email.id,)
        changed = fresh(session, email)
        assert (changed.status, changed.status_reason) == ("canceled", "request_withdrawn")
        assert holders(session, email) == {(None, None)}
        ((kind, payload),) = events(session)
        assert (kind, payload["placement_request_ids"], payload["reason"]) == (
            "email_canceled",
            asked,
            "request_withdrawn",
        )


def test_an_email_that_a_person_wrote_is_canceled_and_the_others_in_it_wait_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "queued", patients=2, template=None)
        one, two = request_ids(session, email)
        withdraw_requests(session, [one], NOW, WHY)
        assert fresh(session, email).status == "canceled"
        assert statuses(session, one, two) == ["withdrawn", "open"]


def test_an_email_that_may_have_arrived_once_is_not_written_again_but_canceled(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt", patients=2)
        one, two = request_ids(session, email)
        resolve_email(session, email.id, "queued", NOW, "cli:test", POLICY)
        withdraw_requests(session, [one], NOW, WHY)
        assert fresh(session, email).status == "canceled"
        assert statuses(session, one, two) == ["withdrawn", "open"]
        assert holders(session, email) == {(None, HANDED_OVER)}


@pytest.mark.parametrize("status", ["sent", "in_doubt"])
def test_what_was_handed_over_keeps_the_person_as_history(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        email = email_in(session, status, patients=2)
        one, two = request_ids(session, email)
        assert withdraw_requests(session, [one], NOW, WHY) == Withdrawal(requests=(one,))
        assert places(session, email) == {one: (True, False), two: (True, True)}
        assert not fresh(session, email).stale
        assert email.closed_at is None


def test_a_sent_email_in_which_nobody_is_awaited_blocks_the_therapist_no_longer(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        withdraw_requests(session, request_ids(session, email), NOW, WHY)
        assert fresh(session, email).closed_at == NOW
        assert email.status == "sent"


def test_the_mark_of_a_sender_fails_after_a_withdrawal(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sending", patients=2)
        claimed = email.version
        withdraw_requests(session, request_ids(session, email)[:1], NOW, WHY)
        assert not _mark(session, email.id, claimed)


def _mark(session: Session, email_id: int, version: int) -> bool:
    """The last gate of the sender, as the architecture spells it."""
    mark = update(Email).where(Email.id == email_id, Email.version == version, Email.status == "sending")
    return bool(session.scalars(mark.values(handed_over_at=NOW).returning(Email.id)).all())


def test_a_person_withdrawn_during_the_hand_over_is_out_before_the_next_try(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sending", patients=2, handed_over_at=NOW)
        one, two = request_ids(session, email)
        assert withdraw_requests(session, [one], NOW, WHY).emails_stale == ()
        move_email(session, "defer", email.id, NOW, next_attempt_at=NOW, handed_over_at=None)
        assert drop_ended_places(session, NOW) == []
        assert places(session, email) == {one: (False, False), two: (True, True)}
        assert fresh(session, email).stale


def test_an_email_emptied_while_a_sender_held_it_is_canceled_when_it_comes_back(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sending")
        withdraw_requests(session, request_ids(session, email), NOW, WHY)
        assert fresh(session, email).status == "sending"
        move_email(session, "rescue", email.id, NOW, next_attempt_at=NOW)
        assert drop_ended_places(session, NOW) == [email.id]
        assert fresh(session, email).status_reason == "request_withdrawn"


def test_a_mark_of_an_earlier_attempt_does_not_protect_this_one(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sending", patients=2, handed_over_at=HANDED_OVER)
        session.execute(update(DeliveryAttempt).values(handed_over_at=None))
        assert withdraw_requests(session, request_ids(session, email)[:1], NOW, WHY).emails_stale == (email.id,)


def test_a_failed_email_goes_out_again_without_the_person(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "failed", patients=2)
        one, two = request_ids(session, email)
        withdraw_requests(session, [one], NOW, WHY)
        requeue_email(session, email.id, NOW, "cli:test", POLICY)
        assert places(session, email) == {one: (False, False), two: (True, True)}
        assert fresh(session, email).stale


def test_a_withdrawn_request_leaves_its_call_and_the_empty_call_is_canceled(sessions: Sessions) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session), status="in_progress")
        call = call_about(session, request.therapist_id, request.id)
        assert withdraw_requests(session, [request.id], NOW, WHY).calls_canceled == (call.id,)
        assert session.scalar(select(PhoneCall.status).where(PhoneCall.id == call.id)) == "canceled"


def test_a_withdrawn_request_leaves_the_staff_list(sessions: Sessions) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session), status="in_progress")
        raise_item(session, "placement_request", request.id, "outcome_missing", NOW)
        withdraw_requests(session, [request.id], NOW, WHY)
        assert staff_items(session) == set()


def test_a_request_that_the_platform_reports_accepted_places_the_patient(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        one, two = (make_request(session, make_therapist(session), patient) for _ in range(2))
        done = withdraw_requests(session, [one.id], NOW, "accepted_by_platform", RequestStatus.ACCEPTED)
        assert done.requests == (one.id, two.id)
        assert fresh(session, two).status_reason == "patient_placed"
        assert fresh(session, one).status == "accepted"


# the reverse


@pytest.mark.parametrize("then", ["open", "rejected"])
def test_what_a_place_withdrew_waits_again_when_the_platform_takes_the_place_back(
    sessions: Sessions, then: str
) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        sent, placed = (make_request(session, make_therapist(session), patient) for _ in range(2))
        email_about(session, "sent", session.get_one(Therapist, sent.therapist_id), [sent])
        withdraw_requests(session, [placed.id], NOW, "accepted_by_platform", RequestStatus.ACCEPTED)
        assert fresh(session, sent).status == "withdrawn"
        if then == "open":
            assert reopen_requests(session, [placed.id], NOW) == [sent.id, placed.id]
        else:
            withdraw_requests(session, [placed.id], NOW, "rejected_by_platform", RequestStatus.REJECTED)
        assert statuses(session, sent.id, placed.id) == ["in_progress", then]


def test_a_reopened_request_waits_for_the_next_batch(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "queued")
        asked = request_ids(session, email)
        withdraw_requests(session, asked, NOW, WHY)
        assert reopen_requests(session, asked, NOW) == asked
        row = session.get_one(PlacementRequest, asked[0], populate_existing=True)
        assert (row.status, row.status_reason, row.closed_at) == ("open", None, None)


def test_a_reopened_request_goes_back_to_its_place_in_a_sent_email(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        one, two = request_ids(session, email)
        withdraw_requests(session, [one], NOW, WHY)
        reopen_requests(session, [one], NOW)
        assert statuses(session, one) == ["in_progress"]
        assert places(session, email) == {one: (True, True), two: (True, True)}


def test_a_sent_email_awaits_again_when_its_only_request_is_reopened(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        asked = request_ids(session, email)
        withdraw_requests(session, asked, NOW, WHY)
        reopen_requests(session, asked, NOW)
        assert (fresh(session, email).closed_at, email.status_reason) == (None, None)
        assert statuses(session, *asked) == ["in_progress"]


def test_an_email_that_staff_closed_stays_closed_when_its_request_is_reopened(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", closed_at=HANDED_OVER)
        asked = request_ids(session, email)
        withdraw_requests(session, asked, NOW, WHY)
        reopen_requests(session, asked, NOW)
        assert fresh(session, email).closed_at == HANDED_OVER
        assert statuses(session, *asked) == ["open"]


def test_a_request_reopened_after_the_follow_up_call_was_booked_is_open(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2, followed_up_at=NOW)
        one, _ = request_ids(session, email)
        withdraw_requests(session, [one], NOW, WHY)
        reopen_requests(session, [one], NOW)
        assert statuses(session, one) == ["open"]


def test_reopening_what_is_open_changes_nothing(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        assert reopen_requests(session, request_ids(session, email), NOW) == []


# therapists who must not be contacted any more


def test_stopping_cancels_queued_emails_and_calls_and_reopens_their_requests(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = email_in(session, "queued", therapist=therapist)
        called = make_request(session, therapist, status="in_progress")
        call = call_about(session, therapist.id, called.id)
        elsewhere = email_in(session, "queued")
        done = stop_contacting(session, [therapist.id], NOW, "blocked")
        assert (done.emails, done.calls) == ((email.id,), (call.id,))
        assert statuses(session, *request_ids(session, email), called.id) == ["open", "open"]
        assert fresh(session, email).status_reason == "blocked"
        assert fresh(session, elsewhere).status == "queued"


def test_stopping_takes_an_email_out_of_the_hands_of_a_sender(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sending")
        claimed = email.version
        stop_contacting(session, [email.therapist_id], NOW, "blocked")
        assert not _mark(session, email.id, claimed)


# at once


@pytest.mark.parametrize("round_", range(4))
def test_a_withdrawal_and_a_sender_at_once_never_send_a_withdrawn_person(sessions: Sessions, round_: int) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sending", patients=2)
        session.add(
            DeliveryAttempt(email_id=email.id, attempt=1, owner="sender-1", started_at=NOW + timedelta(seconds=round_))
        )
        email_id, version, one = email.id, email.version, request_ids(session, email)[0]
    start = Barrier(2)

    def withdraw() -> Withdrawal:
        start.wait()
        with writing(sessions) as session:
            return withdraw_requests(session, [one], NOW, WHY)

    def mark() -> bool:
        start.wait()
        with writing(sessions) as session:
            marked = _mark(session, email_id, version)
            if marked:
                session.execute(update(DeliveryAttempt).values(handed_over_at=NOW))
            return marked

    with ThreadPoolExecutor(2) as pool:
        withdrawn, marked = pool.submit(withdraw), pool.submit(mark)
        assert bool(withdrawn.result().emails_stale) != marked.result()
    with sessions() as session:
        assert places(session, session.get_one(Email, email_id))[one] == (marked.result(), False)


def test_withdrawals_and_answers_about_the_same_patients_at_once_agree(sessions: Sessions) -> None:
    """Eight emails about the same four patients: half are answered yes, half of the requests are withdrawn."""
    with writing(sessions) as session:
        patients = [make_patient(session) for _ in range(4)]
        emails = []
        for _ in range(8):
            therapist = make_therapist(session)
            requests = [make_request(session, therapist, patient) for patient in patients]
            emails.append(email_about(session, "sent", therapist, requests))
        work = [(email.id, request_ids(session, email)) for email in emails]
    start = Barrier(8)

    def act(number: int) -> None:
        email_id, asked = work[number]
        start.wait()
        with writing(sessions) as session:
            if number % 2:
                withdraw_requests(session, asked[:2], NOW, WHY)
            else:
                record_answer(session, email_id, {asked[number // 2]: Outcome.ACCEPTED}, NOW, "cli:test")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    with sessions() as session:
        accepted = select(PlacementRequest.patient_id).where(PlacementRequest.status == "accepted")
        assert set(session.scalars(accepted)) == {patient.id for patient in patients}
        still_open = PlacementRequest.status.in_(["open", "in_progress"])
        assert session.scalar(select(func.count(PlacementRequest.id)).where(still_open)) == 0


def test_crossing_withdrawals_of_many_emails_do_not_block_each_other(sessions: Sessions) -> None:
    with writing(sessions) as session:
        emails = [email_in(session, "queued", patients=3) for _ in range(12)]
        columns = [list(ids) for ids in zip(*(request_ids(session, email) for email in emails), strict=True)]
    start = Barrier(3)

    def withdraw(number: int) -> Withdrawal:
        start.wait()
        ids = columns[number][::-1] if number % 2 else columns[number]
        with writing(sessions) as session:
            return withdraw_requests(session, ids, NOW, WHY)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(withdraw, range(3)))
    canceled = [id_ for part in done for id_ in part.emails_canceled]
    assert sorted(canceled) == sorted(email.id for email in emails)
    with sessions() as session:
        events_ = select(func.count(OutboxEvent.id)).where(OutboxEvent.event_type.like("%email_canceled"))
        assert session.scalar(events_) == 12


def test_a_batch_that_takes_a_request_in_while_it_is_withdrawn_loses_it_again(empty_postgresql: Engine) -> None:
    """The batch is about to commit; the withdrawal cannot see its email yet, but waits for the request."""
    sessions = make_sessions(empty_postgresql)
    with writing(sessions) as session:
        therapist = make_therapist(session)
        request = make_request(session, therapist)
        request_id = request.id
    with ThreadPoolExecutor(1) as pool, sessions() as batch:
        batch.execute(update(PlacementRequest).where(PlacementRequest.status == "open").values(status="in_progress"))
        email_id = make_email(batch, therapist, [batch.get_one(PlacementRequest, request_id)]).id
        withdrawal = pool.submit(_withdraw_one, sessions, request_id)
        _until_somebody_waits(sessions)
        batch.commit()
        assert withdrawal.result().emails_canceled == (email_id,)


def _withdraw_one(sessions: Sessions, request_id: int) -> Withdrawal:
    with writing(sessions) as session:
        return withdraw_requests(session, [request_id], NOW, WHY)


def _until_somebody_waits(sessions: Sessions) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with sessions() as session:
        while not session.scalar(waiting):
            session.rollback()


def test_moves_between_live_statuses_leave_ended_places_alone(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt", patients=2)
        one, two = request_ids(session, email)
        withdraw_requests(session, [one], NOW, WHY)
        move_emails(session, "resolve_sent", [email.id], NOW, sent_at=NOW)
        assert places(session, email) == {one: (True, False), two: (True, True)}


def test_a_new_request_does_not_wait_for_an_answer_about_the_same_patient(empty_postgresql: Engine) -> None:
    sessions = make_sessions(empty_postgresql)
    with writing(sessions) as session:
        email = email_in(session, "sent")
        (request,) = request_ids(session, email)
        patient_id = session.get_one(PlacementRequest, request).patient_id
        therapist = make_therapist(session)
    with sessions() as answering, sessions() as importing:
        withdraw_requests(answering, [request], NOW, WHY)
        make_request(importing, therapist, importing.get_one(Patient, patient_id))
        importing.commit()
        answering.commit()
