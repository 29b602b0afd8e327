"""Everything that happened with a therapist, in one order, in a fixed number of queries."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from comms.errors import NotFound
from comms.rules.policy import ContactPolicy
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.calls.canceling import Requests as CallRequests
from comms.services.calls.canceling import cancel_call
from comms.services.calls.completing import complete_call
from comms.services.calls.missing import miss_call
from comms.services.emails import Requests, bounce_email, cancel_email, requeue_email
from comms.services.timeline import Entry, Kind, page_of_timeline
from comms.store.models import DeliveryAttempt, Email, PlanDecision, Therapist
from comms.store.paging import Page
from comms.store.session import Sessions, reading, writing
from comms.store.staff import audit
from tests.factories import NOW, make_email, make_request, make_sent_email, make_therapist, number
from tests.services.calls import POLICY, booked, follow_up
from tests.services.email_rows import email_in

DAY = timedelta(days=1)


def story(sessions: Sessions, therapist_id: int, kind: Kind | None = None, **page: Any) -> list[Entry]:
    """Oldest first, as it is told."""
    with reading(sessions) as session:
        return page_of_timeline(session, therapist_id, Page(**({"limit": 100} | page)), kind=kind).rows[::-1]


def told(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.event) for entry in entries]


def refuse(
    sessions: Sessions, therapist_id: int, *verdicts: tuple[str | None, date | None], start: datetime = NOW
) -> None:
    """One daily run after the other decided so."""
    with writing(sessions) as session:
        for day, (reason, next_date) in enumerate(verdicts):
            row = {"run_key": f"run{number()}", "decided_at": start + day * DAY, "therapist_id": therapist_id}
            session.add(PlanDecision(**row, reason=reason, next_date=next_date))


def therapist_id(sessions: Sessions) -> int:
    with writing(sessions) as session:
        return int(make_therapist(session).id)


def test_an_unknown_therapist_has_no_timeline(sessions: Sessions) -> None:
    with reading(sessions) as session, pytest.raises(NotFound):
        page_of_timeline(session, number(), Page())


def test_nothing_happened_yet(sessions: Sessions) -> None:
    assert story(sessions, therapist_id(sessions)) == []


def test_an_email_from_its_making_to_its_answer(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        requests = [make_request(session, therapist) for _ in range(2)]
        at = NOW - 3 * DAY
        email = make_sent_email(session, therapist, requests, at=at + timedelta(hours=2), created_at=at, queued_at=at)
        session.add(
            DeliveryAttempt(
                email_id=email.id, attempt=1, owner="sender", started_at=at, finished_at=at + timedelta(hours=1),
                outcome="defer", phase="rcpt", code=450,
            )
        )  # fmt: skip
        outcomes = {requests[0].id: Outcome.REJECTED, requests[1].id: Outcome.ACCEPTED}
        record_answer(session, email.id, outcomes, NOW, "somebody", content="Frau M. kann kommen.")

    entries = story(sessions, therapist.id)

    assert [entry.event for entry in entries[:4]] == ["created", "queued", "deferred", "sent"]
    assert sorted(entry.event for entry in entries[4:]) == ["accepted", "received", "rejected"]
    assert {entry.email_id for entry in entries} == {email.id}
    by_event = {entry.event: entry for entry in entries}
    assert (by_event["deferred"].code, by_event["created"].code) == ("450", "initial_contact")
    assert by_event["sent"].placement_request_ids == tuple(request.id for request in requests)
    assert by_event["accepted"].placement_request_ids == (requests[1].id,)
    assert by_event["received"].text == "Frau M. kann kommen."


def test_what_a_person_did_stands_at_its_instant_with_its_reason(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "queued")
        cancel_email(session, email.id, NOW + DAY, "eva", Requests.REOPEN, "doppelt")
        session.get_one(Email, email.id).updated_at = NOW + 9 * DAY

    last = story(sessions, email.therapist_id)[-1]

    assert (last.event, last.at, last.actor, last.text) == ("canceled", NOW + DAY, "eva", "doppelt")
    assert last.code == "canceled_by_staff"


def test_an_email_that_was_queued_twice_was_queued_twice(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "failed", queued_at=NOW - DAY)
        requeue_email(session, email.id, NOW, "eva", ContactPolicy())
        again = session.get_one(Email, email.id)
        again.queued_at = NOW + DAY

    queued = [entry for entry in story(sessions, email.therapist_id) if entry.event == "queued"]

    assert [(entry.at, entry.actor) for entry in queued] == [(NOW, "eva"), (NOW + DAY, None)]


def test_an_email_that_came_back(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        bounce_email(session, email.id, NOW, "eva")

    last = story(sessions, email.therapist_id)[-1]

    assert (last.event, last.code, last.actor) == ("bounced", "bounced", "eva")


def test_a_call_that_was_missed_and_the_one_in_which_somebody_was_reached(sessions: Sessions) -> None:
    call_id, therapist, _, (request,) = booked(sessions)
    with writing(sessions) as session:
        retry = miss_call(session, call_id, NOW + DAY, POLICY, actor="eva").retry_id
        assert retry
        reached = NOW + 2 * DAY
        complete_call(session, retry, reached, actor="eva", answers={request: Outcome.REJECTED}, notes="kein Platz")

    entries = [entry for entry in story(sessions, therapist) if entry.phone_call_id]

    assert [(e.event, e.phone_call_id) for e in entries if e.event in ("booked", "missed")] == [
        ("booked", call_id), ("booked", retry), ("missed", call_id),
    ]  # fmt: skip
    by_event = {entry.event: entry for entry in entries}
    assert (by_event["missed"].code, by_event["missed"].actor) == ("not_reached", "eva")
    assert (by_event["reached"].text, by_event["reached"].placement_request_ids) == ("kein Platz", (request,))
    assert (by_event["rejected"].kind, by_event["rejected"].phone_call_id) == ("answer", retry)
    assert by_event["booked"].scheduled_at is not None


def test_a_call_that_was_canceled(sessions: Sessions) -> None:
    call_id, therapist, _, _ = booked(sessions)
    with writing(sessions) as session:
        cancel_call(session, call_id, NOW + DAY, CallRequests.REOPEN, actor="eva", reason="Urlaub")

    last = story(sessions, therapist)[-1]

    assert (last.kind, last.event, last.at, last.text) == ("call", "canceled", NOW + DAY, "Urlaub")


def test_runs_in_a_row_that_refused_alike_are_one_entry(sessions: Sessions) -> None:
    id_ = therapist_id(sessions)
    until = date(2026, 12, 1)
    refuse(sessions, id_, *[("cooling_period", until)] * 3, ("contacted_recently", None))

    first, second = story(sessions, id_)

    assert (first.at, first.last_at, first.times, first.code) == (NOW, NOW + 2 * DAY, 3, "cooling_period")
    assert (first.next_date, second.times, second.code) == (until, 1, "contacted_recently")


@pytest.mark.parametrize("between", [(None, None), ("cooling_period", date(2027, 1, 1)), ("blocked", None)])
def test_another_verdict_in_between_parts_them(sessions: Sessions, between: tuple[str | None, date | None]) -> None:
    id_ = therapist_id(sessions)
    same = ("cooling_period", date(2026, 12, 1))
    refuse(sessions, id_, same, between, same)

    found = [entry for entry in story(sessions, id_) if (entry.code, entry.next_date) == same]

    assert [entry.times for entry in found] == [1, 1]


def test_what_a_run_decided_about_requests_is_no_refusal_of_the_therapist(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        request = make_request(session, therapist)
        row = {"run_key": "run", "decided_at": NOW, "therapist_id": therapist.id}
        session.add(PlanDecision(**row, placement_request_id=request.id, reason="beyond_batch_size"))

    assert story(sessions, therapist.id) == []


def test_an_override_is_told_with_its_reason(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = make_email(session, therapist, override_reason="ruft selbst zurück")

    (entry,) = story(sessions, therapist.id, Kind.OVERRIDE)

    assert (entry.event, entry.email_id, entry.text) == ("overridden", email.id, "ruft selbst zurück")


def a_long_story(sessions: Sessions, emails: int = 4) -> int:
    """Many things at the same few instants."""
    with writing(sessions) as session:
        therapist = make_therapist(session)
        for _ in range(emails):
            make_sent_email(session, therapist, [make_request(session, therapist)], at=NOW)
    refuse(sessions, therapist.id, *[("blocked", None), (None, None)] * emails)
    return int(therapist.id)


@pytest.mark.parametrize("kind", list(Kind))
def test_one_kind_is_what_the_whole_has_of_it(sessions: Sessions, kind: Kind) -> None:
    _, therapist, _, _ = booked(sessions)
    follow_up(sessions)

    assert story(sessions, therapist, kind) == [entry for entry in story(sessions, therapist) if entry.kind == kind]


def test_pages_show_everything_once_there_and_back(sessions: Sessions) -> None:
    id_ = a_long_story(sessions)
    whole = story(sessions, id_)[::-1]
    with reading(sessions) as session:
        there, page = [], page_of_timeline(session, id_, Page(3))
        while page.older is not None:
            there.append(page)
            page = page_of_timeline(session, id_, Page(3, before=page.older))
        there.append(page)
        assert [entry for part in there for entry in part.rows] == whole
        for part in there[-2::-1]:
            assert page.newer is not None
            page = page_of_timeline(session, id_, Page(3, after=page.newer))
            assert page.rows == part.rows
    assert page.newer is None
    assert {part.total for part in there} == {len(whole)}


def test_what_is_added_meanwhile_moves_nothing(sessions: Sessions) -> None:
    id_ = a_long_story(sessions)
    with reading(sessions) as session:
        before = page_of_timeline(session, id_, Page(5))
        assert before.older
        rest = page_of_timeline(session, id_, Page(100, before=before.older)).rows
    refuse(sessions, id_, *[("inactive", None)] * 40, start=NOW + 50 * DAY)
    with writing(sessions) as session:
        make_sent_email(session, session.get_one(Therapist, id_), at=NOW + 99 * DAY)

    with reading(sessions) as session:
        assert page_of_timeline(session, id_, Page(100, before=before.older)).rows == rest


@pytest.mark.parametrize("position", [1, 2**68 * 10**18, 2**128])
def test_a_position_outside_the_calendar_is_an_empty_page_or_all(sessions: Sessions, position: int) -> None:
    id_ = a_long_story(sessions, 1)
    with reading(sessions) as session:
        assert len(page_of_timeline(session, id_, Page(100, before=position)).rows) in (0, 4)


@pytest.mark.parametrize("emails", [1, 12])
def test_the_number_of_queries_does_not_grow_with_the_history(sessions: Sessions, engine: Engine, emails: int) -> None:
    id_ = a_long_story(sessions, emails)
    asked: list[str] = []

    def count(*said: Any) -> None:
        asked.extend([said[2]] if said[2].startswith("SELECT") else [])

    event.listen(engine, "before_cursor_execute", count)
    try:
        story(sessions, id_)
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(asked) == 5


def test_who_made_an_email_or_booked_and_moved_a_call_is_named(sessions: Sessions) -> None:
    call_id, therapist, email_id, _ = booked(sessions)
    with writing(sessions) as session:
        audit(session, "eva", "email.create", "email", email_id, NOW)
        audit(session, "eva", "call.book", "phone_call", call_id, NOW)
        audit(session, "max", "call.reschedule", "phone_call", call_id, NOW + DAY)

    by_event = {entry.event: entry for entry in story(sessions, therapist)}

    assert (by_event["created"].actor, by_event["booked"].actor) == ("eva", "eva")
    assert (by_event["rescheduled"].actor, by_event["rescheduled"].at) == ("max", NOW + DAY)
