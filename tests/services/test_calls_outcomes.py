"""What comes of a call: reached, missed, canceled, forgotten, overtaken by an answer."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from comms.errors import BadInput, Conflict, MoveNotAllowed, NotFound
from comms.rules.policy import BERLIN, CallPolicy
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.calls import remove_from_calls
from comms.services.calls.canceling import Requests, cancel_call
from comms.services.calls.completing import CompletedCall, answer_in_call, complete_call
from comms.services.calls.missing import MissedCall, close_unrecorded_calls, miss_call
from comms.services.calls.reading import get_call, list_calls
from comms.services.emails import bounce_email
from comms.services.withdrawals import withdraw_requests
from comms.store.models import (
    AuditEntry,
    ContactEntry,
    Email,
    EmailBatch,
    Patient,
    PhoneCall,
    PlacementRequest,
    Therapist,
)
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, WEEK, make_request, make_sent_email, make_therapist
from tests.services.calls import (
    EVERY_WEEKDAY,
    POLICY,
    booked,
    broken,
    change_therapist,
    events,
    follow_up,
    get,
    items,
    key_of,
    only_call,
    places,
)

NOON = NOW + timedelta(hours=1)
DAY = timedelta(days=1)


def complete(sessions: Sessions, call_id: int, now: datetime = NOON, **how: Any) -> CompletedCall:
    with writing(sessions) as session:
        return complete_call(session, call_id, now, actor="test", **how)


def miss(sessions: Sessions, call_id: int, now: datetime = NOON, policy: CallPolicy = POLICY, **how: Any) -> MissedCall:
    with writing(sessions) as session:
        return miss_call(session, call_id, now, policy, actor="test", **how)


def cancel(sessions: Sessions, call_id: int, requests: Requests, now: datetime = NOON) -> list[int]:
    with writing(sessions) as session:
        return cancel_call(session, call_id, now, requests, actor="test", reason="Praxis geschlossen")


def remove(sessions: Sessions, reason: str, **what: Any) -> list[int]:
    with writing(sessions) as session:
        return remove_from_calls(session, NOON, reason, **what)


def status(sessions: Sessions, request_id: int) -> str:
    found: str = get(sessions, PlacementRequest, request_id).status
    return found


def names(sessions: Sessions, call_id: int) -> list[str]:
    return [name for name, _ in events(sessions, call_id)]


@pytest.fixture(autouse=True)
def nothing_is_broken(sessions: Sessions) -> Any:
    yield
    with reading(sessions) as session:
        assert broken(session) == {}


# reached


def test_a_reached_call_closes_its_emails_and_counts_as_the_contact(sessions: Sessions) -> None:
    call_id, therapist, email, _ = booked(sessions)
    complete(sessions, call_id)
    starts_at = get(sessions, PhoneCall, call_id).starts_at
    call = get(sessions, PhoneCall, call_id)
    assert (call.status, call.actual_at) == ("completed", starts_at)
    assert get(sessions, Email, email).closed_at == NOON
    state = key_of(sessions, therapist)
    assert state is not None
    assert (state.held_by, state.contacted_at) == (None, starts_at)


@pytest.mark.parametrize(
    ("now", "at", "reached"),
    [
        (NOON, None, NOW + timedelta(minutes=30)),
        (NOW + timedelta(minutes=5), None, NOW + timedelta(minutes=5)),
        (NOON, NOW + timedelta(minutes=40), NOW + timedelta(minutes=40)),
    ],
)
def test_it_was_when_it_really_was(sessions: Sessions, now: datetime, at: datetime | None, reached: datetime) -> None:
    call_id, *_ = booked(sessions)
    complete(sessions, call_id, now, at=at)
    assert get(sessions, PhoneCall, call_id).actual_at == reached


def test_a_call_cannot_have_happened_in_the_future(sessions: Sessions) -> None:
    call_id, *_ = booked(sessions)
    with pytest.raises(BadInput, match="future"):
        complete(sessions, call_id, at=NOON + timedelta(seconds=1))
    assert get(sessions, PhoneCall, call_id).status == "scheduled"


def test_each_request_gets_its_own_outcome_and_the_rest_goes_on_the_staff_list(sessions: Sessions) -> None:
    call_id, _, email, (yes, no, later, silent) = booked(sessions, requests=4)
    answers = {yes: Outcome.ACCEPTED, no: Outcome.REJECTED, later: Outcome.NEEDS_FOLLOW_UP}
    done = complete(sessions, call_id, answers=answers)
    assert (done.outcomes, done.missing) == (answers, (silent,))
    assert [status(sessions, id_) for id_ in (yes, no, later, silent)] == [
        "accepted",
        "rejected",
        "in_progress",
        "in_progress",
    ]
    rows = places(sessions, call_id)
    assert [rows[id_].outcome for id_ in (yes, no, later, silent)] == ["accepted", "rejected", "needs_follow_up", None]
    assert [rows[id_].discussed for id_ in (yes, silent)] == [True, False]
    assert rows[later].follow_up_required
    assert list(items(sessions, "placement_request", silent)) == ["outcome_missing"]
    assert list(items(sessions, "placement_request", later)) == ["needs_follow_up"]
    assert items(sessions, "placement_request", yes) == {}
    assert get(sessions, Email, email).rejected_on is None
    with reading(sessions) as session:
        live = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email, EmailBatch.live)
        assert list(session.scalars(live)) == [silent]


def test_it_is_announced_with_codes_only(sessions: Sessions) -> None:
    call_id, therapist, email, (yes, silent) = booked(sessions, requests=2)
    complete(sessions, call_id, answers={yes: Outcome.ACCEPTED}, outcome="will Frau M. sehen", notes="Rückruf")
    recorded, completed = events(sessions, call_id)[1:]
    assert recorded == (
        "response_recorded",
        {
            "call_id": call_id,
            "therapist_id": therapist,
            "placement_request_id": yes,
            "outcome": "accepted",
            "source": "staff",
        },
    )
    assert completed == (
        "call_completed",
        {
            "call_id": call_id,
            "therapist_id": therapist,
            "email_ids": [email],
            "placement_request_ids": [yes, silent],
            "outcome": "accepted",
        },
    )
    assert get(sessions, PhoneCall, call_id).outcome == "will Frau M. sehen"


def test_a_call_without_any_answer_was_reached(sessions: Sessions) -> None:
    call_id, *_ = booked(sessions)
    complete(sessions, call_id)
    assert events(sessions, call_id)[-1][1]["outcome"] == "reached"


def test_rejecting_everything_on_the_phone_starts_the_rest(sessions: Sessions) -> None:
    call_id, _, email, (one, other) = booked(sessions, requests=2)
    complete(sessions, call_id, answers={one: Outcome.REJECTED, other: Outcome.REJECTED})
    assert get(sessions, Email, email).rejected_on == date(2026, 11, 23)


@pytest.mark.parametrize(
    ("written", "rests"), [({}, date(2026, 11, 23)), ({1: Outcome.REJECTED}, date(2026, 11, 24)),
                           ({0: Outcome.ACCEPTED}, None)],
)  # fmt: skip
def test_what_is_written_after_a_call_is_laid_over_what_was_said_in_it(
    sessions: Sessions, written: dict[int, Outcome], rests: date | None
) -> None:
    call_id, _, email, requests = booked(sessions, requests=2)
    complete(sessions, call_id, answers={requests[0]: Outcome.REJECTED})
    with writing(sessions) as session:
        told = {requests[place]: outcome for place, outcome in written.items()}
        record_answer(session, email, told, NOW + DAY, "staff")
    assert get(sessions, Email, email).rejected_on == rests


def test_an_acceptance_takes_the_patient_out_of_other_calls(sessions: Sessions) -> None:
    call_id, _, _, (request,) = booked(sessions)
    with writing(sessions) as session:
        patient = session.get_one(Patient, session.get_one(PlacementRequest, request).patient_id)
        other = make_therapist(session, email=None, phone_availability=EVERY_WEEKDAY)
        elsewhere = make_request(session, other, patient)
    follow_up(sessions)
    second = only_call(sessions, other.id)
    complete(sessions, call_id, answers={request: Outcome.ACCEPTED})
    assert status(sessions, elsewhere.id) == "withdrawn"
    assert get(sessions, PhoneCall, second.id).status == "canceled"
    assert get(sessions, PhoneCall, call_id).status == "completed"


def test_a_stranger_in_the_answers_is_refused_and_nothing_is_noted(sessions: Sessions) -> None:
    call_id, _, _, (request,) = booked(sessions)
    with pytest.raises(BadInput, match="does not speak of placement request 999999"):
        complete(sessions, call_id, answers={request: Outcome.ACCEPTED, 999_999: Outcome.ACCEPTED})
    assert get(sessions, PhoneCall, call_id).status == "scheduled"
    assert status(sessions, request) == "in_progress"


def test_answers_can_be_added_and_corrected_later(sessions: Sessions) -> None:
    call_id, _, _, (one, other) = booked(sessions, requests=2)
    complete(sessions, call_id, answers={one: Outcome.REJECTED})
    with writing(sessions) as session:
        noted = answer_in_call(
            session, call_id, {one: Outcome.ACCEPTED, other: Outcome.REJECTED}, NOON + DAY, actor="test"
        )
    assert noted.missing == ()
    assert [status(sessions, id_) for id_ in (one, other)] == ["accepted", "rejected"]
    assert items(sessions, "placement_request", other) == {}
    with writing(sessions) as session:
        again = answer_in_call(session, call_id, {one: Outcome.ACCEPTED}, NOON + DAY, actor="test")
    assert again.changed == {}
    assert names(sessions, call_id).count("response_recorded") == 3


def test_only_a_completed_call_takes_later_answers(sessions: Sessions) -> None:
    call_id, _, _, (request,) = booked(sessions)
    with writing(sessions) as session, pytest.raises(Conflict, match="complete it"):
        answer_in_call(session, call_id, {request: Outcome.ACCEPTED}, NOON, actor="test")


def test_a_completed_call_is_completed_once(sessions: Sessions) -> None:
    call_id, *_ = booked(sessions)
    complete(sessions, call_id)
    with pytest.raises(MoveNotAllowed):
        complete(sessions, call_id)
    assert names(sessions, call_id) == ["call_scheduled", "call_completed"]


def test_there_is_no_call_with_this_number(sessions: Sessions) -> None:
    for note in (complete, miss):
        with pytest.raises(NotFound, match="phone call 999999"):
            note(sessions, 999_999)


def test_nobody_is_called_or_written_to_for_a_week_after_a_reached_call(sessions: Sessions) -> None:
    call_id, therapist, *_ = booked(sessions)
    complete(sessions, call_id)
    reached = get(sessions, PhoneCall, call_id).actual_at
    change_therapist(sessions, therapist, email=None, mailbox=None)
    with writing(sessions) as session:
        make_request(session, session.get_one(Therapist, therapist))
    assert follow_up(sessions, reached + WEEK - timedelta(seconds=1)).refused == {"contacted_recently": 1}
    assert follow_up(sessions, reached + WEEK).scheduled == 1


# missed


def test_a_missed_call_is_tried_again_a_day_later(sessions: Sessions) -> None:
    call_id, therapist, email, requests = booked(sessions, requests=2)
    missed = miss(sessions, call_id)
    retry = only_call(sessions, therapist)
    assert (retry.id, retry.starts_at) == (missed.retry_id, missed.next_try_at)
    assert (retry.retry_of_id, retry.try_number, retry.kind) == (call_id, 2, "follow_up")
    assert retry.starts_at == only_call(sessions, therapist, "failed").starts_at + DAY
    assert list(places(sessions, retry.id)) == requests
    state = key_of(sessions, therapist)
    assert state is not None
    assert state.held_by == f"call:{retry.id}"
    assert get(sessions, Email, email).closed_at is None
    payload = events(sessions, call_id)[-1][1]
    assert (payload["reason"], payload["next_try_at"]) == ("not_reached", retry.starts_at.isoformat())


def test_after_three_tries_staff_decide(sessions: Sessions) -> None:
    _, therapist, _, requests = booked(sessions)
    for days in range(3):
        last = only_call(sessions, therapist)
        missed = miss(sessions, last.id, NOON + days * DAY)
    assert last.try_number == 3
    assert (missed.retry_id, missed.reason) == (None, "tries_used_up")
    assert list(items(sessions, "phone_call", last.id)) == ["tries_used_up"]
    assert status(sessions, requests[0]) == "in_progress"
    assert follow_up(sessions, NOON + 30 * DAY).scheduled == 0
    assert key_of(sessions, therapist).held_by is None  # type: ignore[union-attr]


def test_the_person_may_say_when_to_try_again(sessions: Sessions) -> None:
    call_id, therapist, *_ = booked(sessions)
    miss(sessions, call_id, retry_after=datetime(2026, 11, 27, 14, 0, tzinfo=BERLIN), reason="on_holiday")
    assert only_call(sessions, therapist).starts_at == datetime(2026, 11, 27, 14, 0, tzinfo=BERLIN)
    assert only_call(sessions, therapist, "failed").status_reason == "on_holiday"


@pytest.mark.parametrize("reason", ["Frau Müller war krank", "", "x" * 41, "Krank"])
def test_a_reason_is_a_code_because_it_is_published(sessions: Sessions, reason: str) -> None:
    call_id, *_ = booked(sessions)
    with pytest.raises(BadInput, match="short code"):
        miss(sessions, call_id, reason=reason)


def test_a_next_try_without_a_slot_is_looked_for_by_the_follow_up_run(sessions: Sessions) -> None:
    call_id, therapist, *_ = booked(sessions)
    change_therapist(sessions, therapist, phone_availability={})
    missed = miss(sessions, call_id)
    assert (missed.retry_id, missed.reason) == (None, "no_phone_hours")
    assert list(items(sessions, "therapist", therapist)) == ["no_slot"]
    change_therapist(sessions, therapist, phone_availability=EVERY_WEEKDAY)
    assert follow_up(sessions, NOON + DAY).scheduled == 1
    retry = only_call(sessions, therapist)
    assert (retry.retry_of_id, retry.try_number) == (call_id, 2)
    assert items(sessions, "therapist", therapist) == {}


def test_a_blocked_therapist_is_not_tried_again_and_staff_see_it(sessions: Sessions) -> None:
    call_id, therapist, *_ = booked(sessions)
    change_therapist(sessions, therapist, status="blocked")
    assert miss(sessions, call_id).reason == "blocked"
    assert items(sessions, "therapist", therapist)["no_slot"].details == {"reason": "blocked"}


def test_what_was_answered_meanwhile_is_not_tried_again(sessions: Sessions) -> None:
    call_id, therapist, email, (request,) = booked(sessions)
    change_therapist(sessions, therapist, phone_availability={})
    miss(sessions, call_id)
    with writing(sessions) as session:
        record_answer(session, email, {request: Outcome.REJECTED}, NOON, "test")
    change_therapist(sessions, therapist, phone_availability=EVERY_WEEKDAY)
    assert follow_up(sessions, NOON + DAY).scheduled == 0


def test_a_first_call_is_tried_again_too(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, email=None, phone_availability=EVERY_WEEKDAY)
        request = make_request(session, therapist)
    follow_up(sessions)
    miss(sessions, only_call(sessions, therapist.id).id)
    retry = only_call(sessions, therapist.id)
    assert (retry.kind, retry.try_number, list(places(sessions, retry.id))) == ("first", 2, [request.id])


def test_a_late_note_completes_a_missed_call_and_cancels_its_next_try(sessions: Sessions) -> None:
    call_id, therapist, email, (request,) = booked(sessions)
    retry = miss(sessions, call_id).retry_id
    assert retry
    done = complete(sessions, call_id, NOON + timedelta(minutes=5), answers={request: Outcome.REJECTED})
    assert done.retry_canceled == retry
    assert [get(sessions, PhoneCall, id_).status for id_ in (call_id, retry)] == ["completed", "canceled"]
    assert names(sessions, retry) == ["call_scheduled", "call_canceled"]
    assert status(sessions, request) == "rejected"
    assert get(sessions, Email, email).closed_at is not None
    state = key_of(sessions, therapist)
    assert state is not None
    assert (state.held_by, state.contacted_at) == (None, get(sessions, PhoneCall, call_id).actual_at)
    assert follow_up(sessions, NOON + DAY).scheduled == 0


def test_a_late_note_on_the_first_try_cancels_the_third(sessions: Sessions) -> None:
    call_id, *_ = booked(sessions)
    second = miss(sessions, call_id).retry_id
    assert second
    third = miss(sessions, second, NOON + DAY).retry_id
    assert complete(sessions, call_id, NOON + DAY).retry_canceled == third


def test_a_missed_call_was_no_contact(sessions: Sessions) -> None:
    call_id, therapist, *_ = booked(sessions)
    change_therapist(sessions, therapist, phone_availability={})
    miss(sessions, call_id)
    with reading(sessions) as session:
        assert session.scalar(select(func.count()).select_from(ContactEntry)) == 0
    assert key_of(sessions, therapist).contacted_at is None  # type: ignore[union-attr]


# forgotten


def test_a_call_without_a_note_is_missed_when_its_local_day_is_over(sessions: Sessions) -> None:
    call_id, therapist, *_ = booked(sessions)
    end_of_day = datetime(2026, 11, 24, 0, 0, tzinfo=BERLIN)
    assert close_unrecorded_calls(sessions, end_of_day - timedelta(seconds=1), POLICY) == ()
    (missed,) = close_unrecorded_calls(sessions, end_of_day, POLICY)
    assert (missed.call_id, missed.retry_id) == (call_id, only_call(sessions, therapist).id)
    assert only_call(sessions, therapist, "failed").status_reason == "not_recorded"
    assert only_call(sessions, therapist).try_number == 2
    assert close_unrecorded_calls(sessions, end_of_day, POLICY) == ()


def test_all_that_were_forgotten_are_closed(sessions: Sessions) -> None:
    first, *_ = booked(sessions)
    second, *_ = booked(sessions)
    assert [missed.call_id for missed in close_unrecorded_calls(sessions, NOW + DAY, POLICY)] == [first, second]


# overtaken


def test_an_answer_takes_its_requests_out_of_the_call_and_cancels_an_empty_one(sessions: Sessions) -> None:
    call_id, therapist, email, (request,) = booked(sessions)
    with writing(sessions) as session:
        record_answer(session, email, {request: Outcome.REJECTED}, NOON, "test")
    call = get(sessions, PhoneCall, call_id)
    assert (call.status, call.status_reason) == ("canceled", "answered")
    assert names(sessions, call_id) == ["call_scheduled", "call_canceled"]
    assert not places(sessions, call_id)[request].included
    assert key_of(sessions, therapist).held_by is None  # type: ignore[union-attr]


def test_a_withdrawn_request_leaves_the_call_and_the_others_stay(sessions: Sessions) -> None:
    call_id, _, _, (gone, stays) = booked(sessions, requests=2)
    with writing(sessions) as session:
        withdraw_requests(session, [gone], NOON, "withdrawn_by_platform")
    rows = places(sessions, call_id)
    assert (rows[gone].included, rows[stays].included) == (False, True)
    assert get(sessions, PhoneCall, call_id).status == "scheduled"
    with writing(sessions) as session:
        assert withdraw_requests(session, [stays], NOON, "withdrawn_by_platform").calls_canceled == (call_id,)


def test_an_answer_to_one_of_two_emails_leaves_the_call_for_the_other(sessions: Sessions) -> None:
    friday = {"friday": [["09:00", "10:00"]]}
    call_id, therapist, email, _ = booked(sessions, phone_availability=friday)
    with writing(sessions) as session:
        row = session.get_one(Therapist, therapist)
        second = make_sent_email(session, row, [make_request(session, row)], at=NOW - WEEK)
    follow_up(sessions, NOW)
    assert remove(sessions, "answered", email_ids=[email]) == []
    assert get(sessions, PhoneCall, call_id).status == "scheduled"
    assert remove(sessions, "answered", email_ids=[second.id]) == [call_id]


def test_an_email_that_asked_for_nobody_keeps_its_call_until_it_is_answered(sessions: Sessions) -> None:
    call_id, _, email, _ = booked(sessions, requests=0)
    assert remove(sessions, "request_withdrawn", request_ids=[1]) == []
    assert get(sessions, PhoneCall, call_id).status == "scheduled"
    assert remove(sessions, "answered", email_ids=[email]) == [call_id]


def test_removing_what_is_in_no_call_changes_nothing(sessions: Sessions) -> None:
    call_id, *_ = booked(sessions)
    assert remove(sessions, "answered", request_ids=[1], email_ids=[2]) == []
    assert remove(sessions, "answered") == []
    assert get(sessions, PhoneCall, call_id).version == 1


def test_history_is_not_rewritten_by_a_later_answer(sessions: Sessions) -> None:
    call_id, _, email, (request,) = booked(sessions)
    complete(sessions, call_id)
    assert remove(sessions, "answered", email_ids=[email], request_ids=[request]) == []
    assert places(sessions, call_id)[request].included


# canceled


def test_staff_cancel_a_call_and_its_requests_are_open_again(sessions: Sessions) -> None:
    call_id, therapist, email, requests = booked(sessions, requests=2)
    assert cancel(sessions, call_id, Requests.REOPEN) == requests
    call = get(sessions, PhoneCall, call_id)
    assert (call.status, call.status_reason) == ("canceled", "canceled_by_staff")
    assert {status(sessions, id_) for id_ in requests} == {"open"}
    assert get(sessions, Email, email).closed_at == NOON
    assert key_of(sessions, therapist).held_by is None  # type: ignore[union-attr]
    assert follow_up(sessions, NOON + DAY).scheduled == 0


def test_staff_cancel_a_call_and_its_requests_are_withdrawn(sessions: Sessions) -> None:
    call_id, _, email, requests = booked(sessions, requests=2)
    assert cancel(sessions, call_id, Requests.WITHDRAW) == requests
    rows = [get(sessions, PlacementRequest, id_) for id_ in requests]
    assert {(row.status, row.status_reason) for row in rows} == {("withdrawn", "canceled_by_staff")}
    assert get(sessions, Email, email).closed_at == NOON


def test_a_canceled_call_is_announced_once_and_its_words_stay_in_the_audit_log(sessions: Sessions) -> None:
    call_id, therapist, *_ = booked(sessions)
    cancel(sessions, call_id, Requests.REOPEN)
    with pytest.raises(MoveNotAllowed):
        cancel(sessions, call_id, Requests.REOPEN)
    name, payload = events(sessions, call_id)[-1]
    assert (name, payload["reason"], payload["therapist_id"]) == ("call_canceled", "canceled_by_staff", therapist)
    assert "Praxis" not in str(events(sessions, call_id))
    with reading(sessions) as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "call.cancel")).one()
        assert entry.details == {"requests": "reopen", "reason": "Praxis geschlossen"}


# shown


def test_the_call_list_shows_a_day_in_order(sessions: Sessions) -> None:
    first, *_ = booked(sessions)
    second, *_ = booked(sessions, phone_availability={"tuesday": [["09:00", "10:00"]]})
    with reading(sessions) as session:
        assert [line.id for line in list_calls(session)] == [first, second]
        assert [line.id for line in list_calls(session, on=date(2026, 11, 24))] == [second]
        assert [line.requests for line in list_calls(session, on=date(2026, 11, 23))] == [1]
        assert list_calls(session, on=date(2026, 11, 25)) == []


def test_one_call_is_shown_with_its_tries_and_requests(sessions: Sessions) -> None:
    call_id, therapist, email, requests = booked(sessions, requests=2)
    retry = miss(sessions, call_id).retry_id
    with reading(sessions) as session:
        shown = get_call(session, call_id)
        assert (shown.retry_id, shown.email_ids, shown.line.therapist_id) == (retry, [email], therapist)
        assert [request.request_id for request in shown.requests] == requests
        with pytest.raises(NotFound):
            get_call(session, 999_999)


def test_a_missed_call_is_tried_again_for_its_requests_though_their_email_bounced_meanwhile(sessions: Sessions) -> None:
    call_id, _, email, requests = booked(sessions, requests=2)
    with writing(sessions) as session:
        bounce_email(session, email, NOW, "staff")
        missed = miss_call(session, call_id, NOW + DAY, POLICY, actor="staff")
    assert missed.retry_id
    assert list(places(sessions, missed.retry_id)) == requests
