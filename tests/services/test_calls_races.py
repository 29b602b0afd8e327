"""Many bookers at once: nobody is called twice, nothing is booked double, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from comms.errors import Conflict
from comms.rules.policy import CallPolicy
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.calls import FollowUpReport, schedule_call_for_email
from comms.services.calls import booking as booking_module
from comms.services.calls.completing import complete_call
from comms.services.calls.missing import miss_call
from comms.services.withdrawals import withdraw_requests
from comms.store.contacts import claim, email_holder, therapist_key
from comms.store.models import Email, PhoneCall, PhoneCallBatch, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, WEEK, make_request, make_therapist
from tests.services.calls import EVERY_WEEKDAY, POLICY, booked, broken, follow_up, get, unanswered

BOOKERS = 8


def at_once(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all tasks in the same moment; return what they return, or the Conflict they raise."""
    ready = Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        ready.wait()
        try:
            return task()
        except Conflict as refused:
            return refused

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def calls(sessions: Sessions, status: str = "scheduled") -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count()).where(PhoneCall.status == status)) or 0


def holds(sessions: Sessions) -> bool:
    with reading(sessions) as session:
        return broken(session) == {}


@pytest.mark.slow
def test_eight_runs_at_once_book_each_therapist_once(sessions: Sessions) -> None:
    due = [unanswered(sessions, requests=2) for _ in range(30)]
    with writing(sessions) as session:
        for _ in range(10):
            make_request(session, make_therapist(session, email=None, phone_availability=EVERY_WEEKDAY))
    reports: list[FollowUpReport] = at_once([lambda: follow_up(sessions, chunk=7)] * BOOKERS)
    assert sum(report.scheduled for report in reports) == calls(sessions) == 40
    assert sum(report.emails for report in reports) == 30
    assert holds(sessions)
    with reading(sessions) as session:
        live = select(func.count()).where(PhoneCallBatch.live)
        assert session.scalar(live) == 70
        followed = select(func.count()).where(Email.followed_up_at == NOW, Email.id.in_([email for _, email, _ in due]))
        assert session.scalar(followed) == 30


def test_eight_bookers_of_different_therapists_get_eight_different_slots(sessions: Sessions) -> None:
    emails = [unanswered(sessions)[1] for _ in range(BOOKERS)]

    def book_one(email_id: int) -> int:
        with writing(sessions) as session:
            return schedule_call_for_email(session, email_id, NOW, POLICY)

    booked_ids = at_once([lambda email=email: book_one(email) for email in emails])
    assert len(set(booked_ids)) == calls(sessions) == BOOKERS
    with reading(sessions) as session:
        assert len(set(session.scalars(select(PhoneCall.starts_at)))) == BOOKERS
    assert holds(sessions)


@pytest.mark.slow
def test_runs_and_single_bookers_at_once_leave_nobody_out(sessions: Sessions) -> None:
    emails = [unanswered(sessions)[1] for _ in range(24)]

    def book_one(email_id: int) -> int:
        with writing(sessions) as session:
            return schedule_call_for_email(session, email_id, NOW, POLICY)

    runs: list[Callable[[], Any]] = [lambda: follow_up(sessions, chunk=3)] * 4
    singles: list[Callable[[], Any]] = [lambda email=email: book_one(email) for email in emails[-4:]]
    at_once(runs + singles)
    assert calls(sessions) == 24
    assert follow_up(sessions).scheduled == 0
    assert holds(sessions)


def test_scarce_slots_go_to_as_many_as_there_are(sessions: Sessions) -> None:
    hour = {"tuesday": [["09:00", "09:25"]]}
    for _ in range(9):
        unanswered(sessions, phone_availability=hour)
    policy = CallPolicy(look_ahead=timedelta(days=7))
    reports = at_once([lambda: follow_up(sessions, policy=policy, chunk=2)] * BOOKERS)
    assert sum(report.scheduled for report in reports) == calls(sessions) == 5
    assert holds(sessions)


def test_an_answer_and_the_booking_at_once_leave_no_call_about_what_was_answered(sessions: Sessions) -> None:
    due = [unanswered(sessions) for _ in range(6)]

    def answer(email_id: int, request_id: int) -> None:
        with writing(sessions) as session:
            record_answer(session, email_id, {request_id: Outcome.REJECTED}, NOW, "test")

    answers: list[Callable[[], Any]] = [lambda e=email, r=requests[0]: answer(e, r) for _, email, requests in due]
    at_once([*answers, lambda: follow_up(sessions, chunk=2), lambda: follow_up(sessions, chunk=6)])
    assert calls(sessions) == 0
    assert {get(sessions, PlacementRequest, requests[0]).status for *_, requests in due} == {"rejected"}
    assert holds(sessions)


def test_a_withdrawal_and_the_booking_at_once_leave_no_call_about_what_was_withdrawn(sessions: Sessions) -> None:
    with writing(sessions) as session:
        ids = [
            make_request(session, make_therapist(session, email=None, phone_availability=EVERY_WEEKDAY)).id
            for _ in range(6)
        ]

    def withdraw(request_id: int) -> None:
        with writing(sessions) as session:
            withdraw_requests(session, [request_id], NOW, "withdrawn_by_platform")

    withdrawals: list[Callable[[], Any]] = [lambda id_=id_: withdraw(id_) for id_ in ids]
    at_once([*withdrawals, lambda: follow_up(sessions, chunk=2), lambda: follow_up(sessions, chunk=6)])
    assert calls(sessions) == 0
    assert holds(sessions)


def test_a_call_missed_by_eight_people_at_once_has_one_next_try(sessions: Sessions) -> None:
    call_id, *_ = booked(sessions)

    def miss() -> Any:
        with writing(sessions) as session:
            return miss_call(session, call_id, NOW, POLICY, actor="test")

    results = at_once([miss] * BOOKERS)
    assert sum(not isinstance(result, Conflict) for result in results) == 1
    assert calls(sessions) == 1
    assert holds(sessions)


def test_noting_missed_and_reached_at_once_leaves_one_truth(sessions: Sessions) -> None:
    call_id, *_ = booked(sessions)

    def miss() -> Any:
        with writing(sessions) as session:
            return miss_call(session, call_id, NOW, POLICY, actor="test")

    def complete() -> Any:
        with writing(sessions) as session:
            return complete_call(session, call_id, NOW, actor="test")

    at_once([miss, complete])
    assert get(sessions, PhoneCall, call_id).status == "completed"
    assert calls(sessions) == 0
    assert holds(sessions)


# the same races, one step at a time: something happens between deciding and booking


Meanwhile = Callable[[Sessions, int, int, int], None]


def _contacted(sessions: Sessions, therapist: int, _email: int, _request: int) -> None:
    with writing(sessions) as session:
        claim(session, {email_holder(1): [therapist_key(therapist)]}, NOW, WEEK)


def _answered(sessions: Sessions, _therapist: int, email: int, request: int) -> None:
    with writing(sessions) as session:
        record_answer(session, email, {request: Outcome.REJECTED}, NOW, "test")


def _withdrawn(sessions: Sessions, _therapist: int, _email: int, request: int) -> None:
    with writing(sessions) as session:
        withdraw_requests(session, [request], NOW, "withdrawn_by_platform")


def _booked(sessions: Sessions, _therapist: int, _email: int, _request: int) -> None:
    follow_up(sessions, now=NOW + timedelta(minutes=30))  # so that its cells are others


@pytest.mark.parametrize(
    ("meanwhile", "refused", "calls_then"),
    [(_contacted, ["changed_meanwhile"], 0), (_answered, [], 0), (_withdrawn, [], 0), (_booked, [], 1)],
)
def test_what_happens_after_deciding_is_seen_when_booking(
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Meanwhile,
    refused: list[str],
    calls_then: int,
) -> None:
    therapist, email, (request,) = unanswered(sessions)
    _decided_before(sessions, monkeypatch, [therapist], lambda: meanwhile(sessions, therapist, email, request))
    with writing(sessions) as session:
        booking = booking_module.book(session, [therapist], NOW, POLICY)
    assert (booking.calls, list(booking.refused.values())) == ({}, refused)
    assert calls(sessions) == calls_then
    assert holds(sessions)


def test_a_slot_taken_after_deciding_is_lost_and_everything_is_given_back(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = unanswered(sessions)
    _, email, _ = unanswered(sessions)

    def book_the_other() -> None:
        with writing(sessions) as session:
            schedule_call_for_email(session, email, NOW, POLICY)

    _decided_before(sessions, monkeypatch, [first], book_the_other)
    with writing(sessions) as session:
        booking = booking_module.book(session, [first], NOW, POLICY)
    assert (booking.calls, booking.lost) == ({}, (first,))
    assert calls(sessions) == 1
    assert holds(sessions)
    monkeypatch.undo()
    assert follow_up(sessions).scheduled == 1
    assert holds(sessions)


def _decided_before(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, therapist_ids: list[int], meanwhile: Callable[[], None]
) -> None:
    """Decide, let something happen, and make the next booking act on what was decided."""
    with reading(sessions) as session:
        stale = booking_module.decide(session, therapist_ids, NOW, POLICY)
    meanwhile()
    monkeypatch.setattr(booking_module, "decide", lambda *_: stale)
