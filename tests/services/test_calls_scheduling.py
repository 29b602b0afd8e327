"""Who gets a follow-up call, when it stands, and why somebody gets none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.event import listen, remove
from sqlalchemy.orm import Session

from comms.errors import Conflict, ContactRefused, NotFound, SlotRefused
from comms.rules.policy import BERLIN, CallPolicy
from comms.rules.slots import Slot, SlotReason
from comms.services.calls import find_available_slot, is_slot_booked, schedule_call_for_email
from comms.services.calls.booking import book, decide
from comms.store.contacts import claim, email_holder, therapist_key
from comms.store.models import Email, PlacementRequest, Suppression, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, WEEK, make_patient, make_request, make_sent_email, make_therapist
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
    unanswered,
)

SECOND = timedelta(seconds=1)


def local(at: datetime) -> str:
    return at.astimezone(BERLIN).strftime("%d.%m. %H:%M")


def test_an_email_of_a_week_ago_without_an_answer_gets_a_call(sessions: Sessions) -> None:
    therapist, email, requests = unanswered(sessions, requests=2)
    report = follow_up(sessions)
    call = only_call(sessions, therapist)
    assert report.call_ids == (call.id,)
    assert (report.emails, report.requests, report.refused) == (1, 2, {})
    assert (call.kind, call.caller, call.try_number, local(call.starts_at)) == ("follow_up", 1, 1, "23.11. 11:30")
    assert list(places(sessions, call.id)) == requests
    assert get(sessions, Email, email).followed_up_at == NOW
    state = key_of(sessions, therapist)
    assert state is not None
    assert state.held_by == f"call:{call.id}"
    with reading(sessions) as session:
        assert broken(session) == {}


def test_the_booking_is_announced_with_ids_and_time(sessions: Sessions) -> None:
    call_id, therapist, email, requests = booked(sessions, requests=2)
    assert events(sessions, call_id) == [
        (
            "call_scheduled",
            {
                "call_id": call_id,
                "therapist_id": therapist,
                "email_ids": [email],
                "placement_request_ids": requests,
                "scheduled_at": "2026-11-23T10:30:00+00:00",
                "duration_minutes": 5,
            },
        )
    ]


def test_a_second_run_books_nothing(sessions: Sessions) -> None:
    booked(sessions)
    again = follow_up(sessions)
    assert (again.scheduled, again.refused) == (0, {})


@pytest.mark.parametrize(
    ("age", "facts", "calls"),
    [
        (WEEK, {}, 1),
        (WEEK - SECOND, {}, 0),
        (WEEK, {"status": "in_doubt", "sent_at": None}, 1),
        (WEEK - SECOND, {"status": "in_doubt", "sent_at": None}, 0),
        (WEEK, {"response_received": True}, 0),
        (WEEK, {"closed_at": NOW}, 0),
        (WEEK, {"followed_up_at": NOW - timedelta(days=1)}, 0),
        (WEEK, {"status": "bounced"}, 0),
        (WEEK, {"status": "failed"}, 0),
    ],
)
def test_a_call_is_due_after_seven_times_24_hours_of_silence(
    sessions: Sessions, age: timedelta, facts: dict[str, Any], calls: int
) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, phone_availability=EVERY_WEEKDAY)
        email = make_sent_email(session, therapist, [make_request(session, therapist)], at=NOW - age)
        for name, value in facts.items():
            setattr(email, name, value)
    assert follow_up(sessions).scheduled == calls


def test_a_confirmation_is_not_followed_up(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, phone_availability=EVERY_WEEKDAY)
        answered = make_sent_email(session, therapist, at=NOW - 2 * WEEK, response_received=True)
        make_sent_email(session, therapist, at=NOW - WEEK, replies_to_email_id=answered.id)
    assert follow_up(sessions).scheduled == 0


def test_one_call_speaks_of_all_unanswered_emails(sessions: Sessions) -> None:
    therapist, _, first = unanswered(sessions, at=NOW - 2 * WEEK)
    with writing(sessions) as session:
        other = make_request(session, _therapist(session, therapist))
        make_sent_email(session, _therapist(session, therapist), [other], at=NOW - WEEK)
    report = follow_up(sessions)
    assert (report.scheduled, report.emails, report.requests) == (1, 2, 2)
    assert set(places(sessions, only_call(sessions, therapist).id)) == {*first, other.id}


def test_an_email_that_comes_due_later_joins_the_call_ahead(sessions: Sessions) -> None:
    friday = {"friday": [["09:00", "10:00"]]}
    call_id, therapist, _, first = booked(sessions, phone_availability=friday)
    with writing(sessions) as session:
        other = make_request(session, _therapist(session, therapist))
        make_sent_email(session, _therapist(session, therapist), [other], at=NOW - WEEK + timedelta(days=1))
    report = follow_up(sessions, NOW + timedelta(days=1))
    assert (report.scheduled, report.joined, report.emails) == (0, 1, 1)
    assert set(places(sessions, call_id)) == {*first, other.id}
    assert [name for name, _ in events(sessions, call_id)] == ["call_scheduled", "call_scheduled"]
    again = follow_up(sessions, NOW + timedelta(days=2))
    assert (again.joined, again.emails) == (0, 0)


def _therapist(session: Session, id_: int) -> Therapist:
    return session.get_one(Therapist, id_)


# first calls


@pytest.mark.parametrize("facts", [{"email": None}, {"email_refused_at": NOW - timedelta(days=1)}])
def test_open_requests_without_a_working_address_get_a_call_at_once(sessions: Sessions, facts: dict[str, Any]) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, phone_availability=EVERY_WEEKDAY, **facts)
        old, young = (
            make_request(
                session, therapist, make_patient(session, registered_on=date(2026, month, 1)), requested_at=NOW
            )
            for month in (1, 2)
        )
    report = follow_up(sessions)
    call = only_call(sessions, therapist.id)
    assert (report.scheduled, report.emails, report.requests, call.kind) == (1, 0, 2, "first")
    assert list(places(sessions, call.id)) == [old.id, young.id]
    assert get(sessions, PlacementRequest, old.id).status == "in_progress"
    assert follow_up(sessions).scheduled == 0


def test_open_requests_with_a_working_address_wait_for_the_email(sessions: Sessions) -> None:
    with writing(sessions) as session:
        make_request(session, make_therapist(session))
    assert follow_up(sessions).scheduled == 0


# order and limit


def test_potentially_available_first_then_the_longest_waiting(sessions: Sessions) -> None:
    late, *_ = unanswered(sessions)
    early, *_ = unanswered(sessions, at=NOW - 2 * WEEK)
    hopeful, *_ = unanswered(sessions, potentially_available=True)
    follow_up(sessions)
    times = {id_: only_call(sessions, id_).starts_at for id_ in (late, early, hopeful)}
    assert sorted(times, key=lambda id_: times[id_]) == [hopeful, early, late]


def test_the_limit_counts_calls_not_refusals(sessions: Sessions) -> None:
    unanswered(sessions, at=NOW - 3 * WEEK, phone_availability={})
    unanswered(sessions)
    unanswered(sessions)
    report = follow_up(sessions, limit=1, chunk=1)
    assert (report.scheduled, report.refused, report.beyond_limit) == (1, {"no_phone_hours": 1}, 1)


def test_small_chunks_book_the_same_calls(sessions: Sessions) -> None:
    for _ in range(7):
        unanswered(sessions)
    assert follow_up(sessions, chunk=2).scheduled == 7
    with reading(sessions) as session:
        assert broken(session) == {}


def test_a_dry_run_says_what_would_be_booked_and_books_nothing(sessions: Sessions) -> None:
    therapist, email, _ = unanswered(sessions)
    unanswered(sessions, phone_availability={})
    report = follow_up(sessions, dry_run=True)
    assert (report.scheduled, report.emails, report.requests, report.refused) == (1, 1, 1, {"no_phone_hours": 1})
    assert get(sessions, Email, email).followed_up_at is None
    assert items(sessions, "therapist", therapist) == {}
    assert follow_up(sessions).scheduled == 1


@pytest.mark.parametrize("therapists", [1, 40])
def test_a_chunk_is_loaded_with_two_queries_however_large_it_is(sessions: Sessions, therapists: int) -> None:
    ids = [unanswered(sessions, requests=2)[0] for _ in range(therapists)]
    with reading(sessions) as session:
        queries = _count_queries(session, lambda: decide(session, ids, NOW, POLICY))
    assert queries == 2


def test_booking_forty_takes_as_many_statements_as_booking_two(sessions: Sessions) -> None:
    counts = []
    for therapists in (2, 40):
        ids = [unanswered(sessions, requests=2)[0] for _ in range(therapists)]
        with writing(sessions) as session:
            counts.append(_count_queries(session, lambda ids=ids, session=session: book(session, ids, NOW, POLICY)))
    assert counts[0] == counts[1]


def _count_queries(session: Session, work: Callable[[], Any]) -> int:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    engine = session.get_bind().engine
    listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        remove(engine, "before_cursor_execute", note)
    return len(statements)


# who is never called


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "blocked"}, "blocked"),
        ({"status": "inactive"}, "inactive"),
        ({"do_not_contact": "hat widersprochen"}, "do_not_contact"),
        ({"status": "blocked", "do_not_contact": "x"}, "blocked"),
        ({"next_contact_possible": date(2026, 12, 24)}, "cooling_period"),
        ({"facts_missing": True}, "facts_missing"),
    ],
)
@pytest.mark.parametrize("address", [True, False])
def test_some_are_never_called(sessions: Sessions, facts: dict[str, Any], reason: str, address: bool) -> None:
    if address:
        therapist, *_ = unanswered(sessions, **facts)
    else:
        with writing(sessions) as session:
            row = make_therapist(session, phone_availability=EVERY_WEEKDAY, email=None, **facts)
            make_request(session, row)
            therapist = row.id
    report = follow_up(sessions)
    assert (report.scheduled, dict(report.reasons)) == (0, {therapist: reason})
    assert items(sessions, "therapist", therapist) == {}


def test_a_suppressed_mailbox_is_not_called_either(sessions: Sessions) -> None:
    therapist, *_ = unanswered(sessions)
    with writing(sessions) as session:
        row = _therapist(session, therapist)
        session.add(Suppression(mailbox=row.mailbox, created_by="test", created_at=NOW))
    assert dict(follow_up(sessions).reasons) == {therapist: "suppressed_mailbox"}


def test_a_therapist_who_rejected_rests_from_calls_too(sessions: Sessions) -> None:
    therapist, *_ = unanswered(sessions)
    with writing(sessions) as session:
        make_sent_email(
            session,
            _therapist(session, therapist),
            at=NOW - 2 * WEEK,
            response_received=True,
            rejected_on=NOW.date() - timedelta(days=10),
        )
    assert dict(follow_up(sessions).reasons) == {therapist: "cooling_period"}
    assert follow_up(sessions, NOW + 3 * WEEK).scheduled == 1


def test_a_therapist_contacted_within_the_week_is_not_called(sessions: Sessions) -> None:
    therapist, *_ = unanswered(sessions)
    with writing(sessions) as session:
        claim(session, {email_holder(1): [therapist_key(therapist)]}, NOW - timedelta(days=1), WEEK)
    assert dict(follow_up(sessions).reasons) == {therapist: "contacted_recently"}


# slots


def test_no_slot_is_on_the_staff_list_after_three_days_and_off_it_once_booked(sessions: Sessions) -> None:
    therapist, *_ = unanswered(sessions, phone_availability=None)
    assert follow_up(sessions).refused == {"no_phone_hours": 1}
    follow_up(sessions, NOW + timedelta(days=1))
    item = items(sessions, "therapist", therapist)["no_slot"]
    assert (item.since, item.shown_from, item.details) == (
        NOW,
        NOW + POLICY.no_slot_patience,
        {"reason": "no_phone_hours"},
    )
    change_therapist(sessions, therapist, phone_availability=EVERY_WEEKDAY)
    assert follow_up(sessions, NOW + timedelta(days=2)).scheduled == 1
    assert items(sessions, "therapist", therapist) == {}


def test_who_needs_no_call_any_more_needs_no_slot(sessions: Sessions) -> None:
    therapist, email, _ = unanswered(sessions, phone_availability=None)
    follow_up(sessions)
    with writing(sessions) as session:
        session.get_one(Email, email).response_received = True
    follow_up(sessions, NOW + timedelta(days=1))
    assert items(sessions, "therapist", therapist) == {}


def test_broken_hours_of_one_therapist_stop_no_other(sessions: Sessions) -> None:
    unanswered(sessions, phone_availability={"tuesday": [["kaputt", 7]], "x": 1})
    unanswered(sessions)
    report = follow_up(sessions)
    assert (report.scheduled, report.refused) == (1, {"no_phone_hours": 1})


def test_calls_of_one_caller_follow_each_other_and_two_callers_share(sessions: Sessions) -> None:
    ids = [unanswered(sessions)[0] for _ in range(4)]
    follow_up(sessions, policy=CallPolicy(callers=2))
    found = [(only_call(sessions, id_).caller, local(only_call(sessions, id_).starts_at)) for id_ in ids]
    assert found == [(1, "23.11. 11:30"), (2, "23.11. 11:30"), (1, "23.11. 11:35"), (2, "23.11. 11:35")]


def test_busy_callers_are_the_reason(sessions: Sessions) -> None:
    hour = {"tuesday": [["09:00", "09:05"]]}
    policy = CallPolicy(look_ahead=timedelta(days=7))
    unanswered(sessions, phone_availability=hour)
    unanswered(sessions, phone_availability=hour)
    assert follow_up(sessions, policy=policy).refused == {"callers_busy": 1}


@pytest.mark.parametrize(
    ("land", "default", "expected"),
    [
        ("BY", None, "07.01. 09:00"),  # Epiphany is a holiday in Bavaria
        ("BE", None, "06.01. 09:00"),
        (None, None, "06.01. 09:00"),
        (None, "BW", "07.01. 09:00"),
        ("XX", "ST", "07.01. 09:00"),
    ],
)
def test_a_holiday_is_that_of_the_land(
    sessions: Sessions, land: str | None, default: str | None, expected: str
) -> None:
    nine = {day: [["09:00", "09:30"]] for day in ("wednesday", "thursday")}
    at = datetime(2027, 1, 5, 12, tzinfo=BERLIN)
    therapist, *_ = unanswered(sessions, land=land, phone_availability=nine)
    follow_up(sessions, at, CallPolicy(default_land=default))
    assert local(only_call(sessions, therapist).starts_at) == expected


# single calls


def test_find_available_slot_says_where_or_why_not(sessions: Sessions) -> None:
    therapist, *_ = unanswered(sessions, phone_availability={"tuesday": [["09:00", "09:25"]]})
    empty, *_ = unanswered(sessions, phone_availability={})
    with reading(sessions) as session:
        found = find_available_slot(session, therapist, NOW, POLICY)
        assert isinstance(found, Slot)
        assert local(found.starts_at) == "24.11. 09:00"
        later = find_available_slot(session, therapist, NOW, POLICY, not_before=NOW + timedelta(days=2))
        assert isinstance(later, Slot)
        assert local(later.starts_at) == "01.12. 09:00"
        assert find_available_slot(session, empty, NOW, POLICY) is SlotReason.NO_PHONE_HOURS
        with pytest.raises(NotFound):
            find_available_slot(session, 999_999, NOW, POLICY)


def test_is_slot_booked_tells_for_caller_and_therapist(sessions: Sessions) -> None:
    _, therapist, *_ = booked(sessions)
    at = only_call(sessions, therapist).starts_at
    with reading(sessions) as session:
        assert is_slot_booked(session, at, 5, caller=1)
        assert is_slot_booked(session, at, 5, therapist_id=therapist)
        assert is_slot_booked(session, at - timedelta(minutes=5), 10)
        assert not is_slot_booked(session, at, 5, caller=2)
        assert not is_slot_booked(session, at, 5, therapist_id=1)
        assert not is_slot_booked(session, at - timedelta(minutes=5), 5)


def test_schedule_call_for_email_books_one_call_for_that_therapist(sessions: Sessions) -> None:
    therapist, email, _ = unanswered(sessions)
    with writing(sessions) as session:
        call_id = schedule_call_for_email(session, email, NOW, POLICY)
    assert only_call(sessions, therapist).id == call_id
    with writing(sessions) as session, pytest.raises(Conflict, match="followed up"):
        schedule_call_for_email(session, email, NOW, POLICY)


def test_schedule_call_for_email_refuses_by_name(sessions: Sessions) -> None:
    _, young, _ = unanswered(sessions, at=NOW - WEEK + SECOND)
    _, blocked, _ = unanswered(sessions, status="blocked")
    _, hourless, _ = unanswered(sessions, phone_availability={})
    _, answered, _ = unanswered(sessions)
    with writing(sessions) as session:
        session.get_one(Email, answered).response_received = True
        for email, error, words in (
            (young, Conflict, "may still be answered"),
            (blocked, ContactRefused, "blocked"),
            (hourless, SlotRefused, "no_phone_hours"),
            (answered, Conflict, "awaits no answer"),
            (999_999, NotFound, "email 999999"),
        ):
            with pytest.raises(error, match=words):
                schedule_call_for_email(session, email, NOW, POLICY)
