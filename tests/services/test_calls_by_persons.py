"""Calls that persons book, beside those that the service books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from comms.errors import Conflict, ContactRefused
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.calls.manual import NewCall, book_call
from comms.services.calls.missing import miss_call
from comms.services.calls.placing import Wanted
from comms.services.calls.subjects import Named, why_not_free
from comms.store.contacts import email_holder, therapist_key, took_place
from comms.store.models import PhoneCall, Therapist
from comms.store.session import Sessions, writing
from tests.factories import NOW, WEEK, make_request, make_sent_email, make_therapist
from tests.services.calls import EVERY_WEEKDAY, POLICY, follow_up, get, items, only_call, places, unanswered

DAY = timedelta(days=1)


def book(sessions: Sessions, therapist_id: int, *requests: int, **how: Any) -> int:
    with writing(sessions) as session:
        new = NewCall(therapist_id, Wanted(5), requests, **how)
        return book_call(session, new, NOW, POLICY, actor="test")


def miss(sessions: Sessions, call_id: int, now: Any = NOW, **how: Any) -> int | None:
    with writing(sessions) as session:
        return miss_call(session, call_id, now, POLICY, actor="test", **how).retry_id


def quiet(sessions: Sessions) -> int:
    with writing(sessions) as session:
        return int(make_therapist(session, phone_availability=EVERY_WEEKDAY).id)


def test_what_falls_due_joins_a_call_that_a_person_booked(sessions: Sessions) -> None:
    therapist, _, requests = unanswered(sessions)
    call = book(sessions, therapist)
    report = follow_up(sessions)
    assert (report.scheduled, report.joined) == (0, 1)
    assert list(places(sessions, call)) == requests


def test_a_call_about_nothing_is_tried_three_times_and_then_listed(sessions: Sessions) -> None:
    first = book(sessions, quiet(sessions))
    second = miss(sessions, first)
    assert second is not None
    third = miss(sessions, second, NOW + 2 * DAY)
    assert third is not None
    assert miss(sessions, third, NOW + 4 * DAY) is None
    assert [get(sessions, PhoneCall, id_).try_number for id_ in (first, second, third)] == [1, 2, 3]
    assert list(items(sessions, "phone_call", third)) == ["tries_used_up"]


def test_a_next_try_without_a_slot_is_booked_by_the_run_once_there_is_one(sessions: Sessions) -> None:
    therapist = quiet(sessions)
    later = NOW + 20 * DAY
    assert miss(sessions, book(sessions, therapist), retry_after=later) is None
    assert follow_up(sessions, NOW + DAY).scheduled == 0
    assert follow_up(sessions, NOW + 10 * DAY).scheduled == 1
    assert only_call(sessions, therapist).starts_at >= later
    assert follow_up(sessions, NOW + 10 * DAY).scheduled == 0


def test_a_missed_call_about_nothing_does_not_join_another_one(sessions: Sessions) -> None:
    therapist = quiet(sessions)
    miss(sessions, book(sessions, therapist), retry_after=NOW + 20 * DAY)
    other = book(sessions, therapist)
    before = get(sessions, PhoneCall, other).version
    assert follow_up(sessions, NOW + DAY).joined == 0
    assert get(sessions, PhoneCall, other).version == before


def answered(sessions: Sessions, outcome: Outcome | None) -> tuple[int, int]:
    """A therapist who was contacted yesterday and answered an email; return therapist and request."""
    with writing(sessions) as session:
        therapist = make_therapist(session, phone_availability=EVERY_WEEKDAY)
        request = make_request(session, therapist)
        email = make_sent_email(session, therapist, [request], at=NOW - DAY)
        took_place(session, email_holder(email.id), [therapist_key(therapist.id)], NOW - DAY)
        record_answer(session, email.id, {request.id: outcome} if outcome else {}, NOW, "test")
        return therapist.id, request.id


def test_calling_back_about_what_needs_a_follow_up_stands_outside_the_rule(sessions: Sessions) -> None:
    call = book(sessions, *answered(sessions, Outcome.NEEDS_FOLLOW_UP))
    assert get(sessions, PhoneCall, call).kind == "reply"


def test_calling_about_what_was_left_without_an_outcome_is_an_ordinary_contact(sessions: Sessions) -> None:
    with pytest.raises(ContactRefused, match="contacted_recently"):
        book(sessions, *answered(sessions, None))


@pytest.mark.parametrize(("beside", "booked"), [(False, 1), (True, 0)])
def test_a_missed_call_back_stands_outside_the_rule_only_by_itself(
    sessions: Sessions, beside: bool, booked: int
) -> None:
    therapist, request = answered(sessions, Outcome.NEEDS_FOLLOW_UP)
    miss(sessions, book(sessions, therapist, request), retry_after=NOW + 15 * DAY)
    if beside:
        with writing(sessions) as session:
            known = session.get_one(Therapist, therapist)
            make_sent_email(session, known, [make_request(session, known)], at=NOW - WEEK)
            took_place(session, email_holder(0), [therapist_key(therapist)], NOW + DAY)
    report = follow_up(sessions, NOW + 2 * DAY)
    assert (report.scheduled, report.refused) == (booked, {} if booked else {"contacted_recently": 1})


FREE = Named(1, 1, "open", None, None, None, None, None, False, False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"status": "withdrawn"}, "is withdrawn"),
        ({"status": "in_progress", "call_id": 7}, "waits in call 7"),
        ({"status": "in_progress", "email_id": 8, "email_status": "queued"}, "waits in email 8"),
        ({"status": "in_progress", "email_id": 8, "email_status": "sent", "unanswered": True}, None),
        (
            {"status": "in_progress", "email_id": 8, "email_status": "sent", "unanswered": True, "followed_up_at": NOW},
            "next try",
        ),
        ({"status": "in_progress", "needs_follow_up": True}, None),
        ({"status": "in_progress", "answered": True}, None),
        ({"status": "in_progress"}, "elsewhere"),
    ],
)
def test_a_request_is_free_or_there_is_one_reason(change: dict[str, Any], reason: str | None) -> None:
    found = why_not_free(replace(FREE, **change))
    assert (found is None) == (reason is None)
    assert (reason or "") in (found or "")


def test_a_request_of_a_missed_call_waits_for_its_next_try(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, email=None, phone_availability=EVERY_WEEKDAY)
        request = make_request(session, therapist).id
    first = book(sessions, therapist.id, request)
    assert miss(sessions, first, retry_after=NOW + 20 * DAY) is None
    with pytest.raises(Conflict, match="elsewhere"):
        book(sessions, therapist.id, request)


def test_only_what_was_sent_a_week_ago_needs_no_override(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, phone_availability=EVERY_WEEKDAY)
        request = make_request(session, therapist)
        email = make_sent_email(session, therapist, [request], at=NOW - WEEK + DAY)
        took_place(session, email_holder(email.id), [therapist_key(therapist.id)], NOW - WEEK + DAY)
    with pytest.raises(ContactRefused) as refused:
        book(sessions, therapist.id, request.id)
    assert (refused.value.reason, refused.value.next_date) == ("contacted_recently", "2026-11-24")
    call = book(sessions, therapist.id, request.id, override_reason="eilt")
    assert list(places(sessions, call)) == [request.id]
