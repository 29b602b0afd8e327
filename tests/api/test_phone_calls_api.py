"""Phone calls over HTTP: booking, reading, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, event, select, update

from comms.store.contacts import claim, email_holder, mailbox_key, therapist_key
from comms.store.models import AuditEntry, ContactEntry, Email, EmailBatch, OutboxEvent, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.api.calls import (
    TUESDAY,
    Clock,
    announce,
    at_berlin,
    book,
    booked,
    set_clock,
    therapist,
    with_email,
    with_requests,
)
from tests.api.conftest import Client
from tests.factories import NOW, WEEK, make_email, make_request, make_therapist
from tests.invariants import broken
from tests.services.calls import EVERY_WEEKDAY, events, follow_up, get, key_of

DATABASES = ("sqlite",)

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch)


@pytest.fixture(autouse=True)
def nothing_is_broken(sessions: Sessions) -> Iterator[None]:
    yield
    assert broken(sessions) == {}


def refusal(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("reason")


# booking


def test_without_a_time_the_next_free_slot_is_found(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions))
    assert (call["scheduled_date"], call["scheduled_time"], call["duration_minutes"]) == ("2026-11-23", "11:30", 5)
    assert (call["status"], call["kind"], call["caller"], call["try_number"]) == ("scheduled", "manual", 1, 1)
    assert client.get(f"/api/phone-calls/{call['id']}").json() == call


def test_the_place_of_a_new_call_is_told_and_its_event_written(client: TestClient, sessions: Sessions) -> None:
    answer = book(client, therapist(sessions), "10:00", duration_minutes=15)
    call = answer.json()
    assert answer.headers["location"] == f"/api/phone-calls/{call['id']}"
    ((name, payload),) = events(sessions, call["id"])
    assert (name, payload["duration_minutes"]) == ("call_scheduled", 15)
    assert payload["scheduled_at"] == "2026-11-24T09:00:00+00:00"


@pytest.mark.parametrize(
    ("day", "at", "reason"),
    [
        ("2026-11-23", "10:00", "in_the_past"),
        ("2026-11-23", "11:20", "too_soon"),
        (TUESDAY, "10:02", "off_grid"),
        (TUESDAY, "07:55", "outside_phone_hours"),
        (TUESDAY, "17:00", "outside_phone_hours"),
        ("2026-12-24", "10:00", "outside_look_ahead"),
        ("9999-12-31", "23:55", "outside_look_ahead"),
        ("1990-01-02", "10:00", "in_the_past"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_its_reason(
    client: TestClient, sessions: Sessions, day: str, at: str, reason: str
) -> None:
    someone = therapist(sessions, phone_availability={"monday": [["08:00", "18:00"]], "tuesday": [["08:00", "17:00"]]})
    answer = book(client, someone, scheduled_date=day, scheduled_time=at)
    assert refusal(answer) == (409, reason)


def test_a_holiday_of_the_land_is_refused(client: TestClient, sessions: Sessions, told: Clock) -> None:
    told.now = at_berlin(23, 9) + timedelta(days=30)
    answer = book(client, therapist(sessions), scheduled_date="2026-12-25", scheduled_time="10:00")
    assert refusal(answer) == (409, "holiday")


def test_callers_have_their_hours_too(client: TestClient, sessions: Sessions) -> None:
    early = therapist(sessions, phone_availability={"tuesday": [["06:00", "12:00"]]})
    assert refusal(book(client, early, "07:00")) == (409, "outside_caller_hours")


def test_a_therapist_without_phone_hours_has_no_slot(client: TestClient, sessions: Sessions) -> None:
    silent = therapist(sessions, phone_availability=None)
    assert refusal(book(client, silent)) == refusal(book(client, silent, "10:00")) == (409, "no_phone_hours")


def test_a_slot_is_taken_once(client: TestClient, sessions: Sessions) -> None:
    booked(client, therapist(sessions), "10:00", duration_minutes=10)
    assert refusal(book(client, therapist(sessions), "10:05")) == (409, "callers_busy")
    assert booked(client, therapist(sessions), "10:10")["scheduled_time"] == "10:10"


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"scheduled_date": TUESDAY}, "body.scheduled_time"),
    ({"scheduled_time": "10:00"}, "body.scheduled_date"),
    ({"scheduled_date": "2026-03-29", "scheduled_time": "02:30"}, "body.scheduled_time"),
    ({"scheduled_date": "0001-01-01", "scheduled_time": "00:30"}, "body.scheduled_time"),
    ({"scheduled_date": TUESDAY, "scheduled_time": "24:00"}, "body.scheduled_time"),
    ({"scheduled_date": "24.11.2026", "scheduled_time": "10:00"}, "body.scheduled_date"),
    ({"duration_minutes": 7}, "body.duration_minutes"),
    ({"duration_minutes": 10**12}, "body.duration_minutes"),
    ({"duration_minutes": "5"}, "body.duration_minutes"),
    ({"status": "completed"}, "body.status"),
    ({"placement_request_ids": [301, 301]}, "body.placement_request_ids"),
    ({"placement_request_ids": ["301"]}, "body.placement_request_ids.0"),
    ({"therapist_id": 10**30}, "body.therapist_id"),
    ({"notes": "a\x00b"}, "body.notes"),
    ({"override": {"reason": " "}}, "body.override.reason"),
    ({"override": {}}, "body.override.reason"),
    ({"caller": 1}, "body.caller"),
]


def test_bad_input_is_named_by_its_field(client: TestClient, sessions: Sessions) -> None:
    someone = therapist(sessions)
    for body, field in BAD_INPUT:
        answer = client.post("/api/phone-calls", json={"therapist_id": someone} | body)
        found = (answer.status_code, [error["field"] for error in answer.json()["errors"]])
        assert found == (422, [field]), body


def test_of_a_doubled_time_the_first_counts(client: TestClient, sessions: Sessions, told: Clock) -> None:
    call = booked(client, therapist(sessions), "10:00")
    told.now = at_berlin(24, 12)
    clocks_back = {"actual_date": "2026-10-25", "actual_time": "02:30"}
    done = client.post(f"/api/phone-calls/{call['id']}/complete", json=clocks_back).json()
    assert (done["actual_at"], done["actual_time"]) == ("2026-10-25T00:30:00Z", "02:30")


# a call is a contact


def test_a_call_holds_the_contact_of_its_therapist(client: TestClient, sessions: Sessions) -> None:
    someone = therapist(sessions)
    call = booked(client, someone)
    state = key_of(sessions, someone)
    assert state is not None
    assert state.held_by == f"call:{call['id']}"
    assert refusal(book(client, someone, "15:00")) == (409, "contacted_recently")


def test_a_refused_contact_says_until_when(client: TestClient, sessions: Sessions, told: Clock) -> None:
    someone = therapist(sessions)
    client.post(f"/api/phone-calls/{booked(client, someone)['id']}/complete")
    told.now = NOW + DAY
    problem = book(client, someone).json()
    assert (problem["reason"], problem["next_date"]) == ("contacted_recently", "2026-11-30")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "blocked"}, "blocked"),
        ({"status": "inactive"}, "inactive"),
        ({"do_not_contact": "per Telefon"}, "do_not_contact"),
        ({"facts_missing": True}, "facts_missing"),
    ],
)
def test_whoever_must_not_be_contacted_is_not_even_with_an_override(
    client: TestClient, sessions: Sessions, facts: dict[str, Any], reason: str
) -> None:
    answer = book(client, therapist(sessions, **facts), override={"reason": "dringend"})
    assert refusal(answer) == (409, reason)


def test_of_an_unknown_therapist_the_facts_are_missing(client: TestClient) -> None:
    assert refusal(book(client, 987654)) == (409, "facts_missing")


def test_an_override_breaks_the_week_and_is_recorded(client: TestClient, sessions: Sessions) -> None:
    someone = therapist(sessions)
    client.post(f"/api/phone-calls/{booked(client, someone)['id']}/complete")
    call = booked(client, someone, "10:00", override={"reason": "bat um Rückruf"})
    assert call["override_reason"] == "bat um Rückruf"
    with reading(sessions) as session:
        entry = session.scalars(select(ContactEntry).where(ContactEntry.holder == f"call:{call['id']}")).one()
        trail = session.scalars(select(AuditEntry).where(AuditEntry.action == "call.book").order_by(AuditEntry.id))
        details = [row.details["override"] if row.details else None for row in trail]
    assert entry.kind == "override"
    assert details == [None, "bat um Rückruf"]


def test_an_override_needs_its_scope(client_with: Client, sessions: Sessions) -> None:
    someone = therapist(sessions)
    assert book(client_with("write"), someone, override={"reason": "eilt"}).status_code == 403
    assert book(client_with("write", "override"), someone, override={"reason": "eilt"}).status_code == 201


def test_an_override_leaves_a_waiting_email_its_contact(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        made = make_therapist(session, phone_availability=EVERY_WEEKDAY)
        email = make_email(session, made, [make_request(session, made)])
        announce(session, "email_created", email, NOW, template=email.template, status=email.status)
        keys = [therapist_key(made.id), mailbox_key(made.mailbox or "")]
        claim(session, {email_holder(email.id): keys}, NOW, WEEK)
    booked(client, made.id, override={"reason": "eilt"})
    state = key_of(sessions, made.id)
    assert state is not None
    assert state.held_by == f"email:{email.id}"


# what it is about


def test_open_requests_are_in_progress_while_they_wait_in_a_call(client: TestClient, sessions: Sessions) -> None:
    someone, requests = with_requests(sessions, 2)
    call = booked(client, someone, placement_request_ids=requests)
    assert call["placement_request_ids"] == requests
    assert {get(sessions, PlacementRequest, id_).status for id_ in requests} == {"in_progress"}


def test_unknown_requests_are_kept_as_stubs(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), placement_request_ids=[7654321])
    assert call["placement_request_ids"] == [7654321]
    assert get(sessions, PlacementRequest, 7654321).patient_id is None


def test_a_request_in_an_unanswered_email_brings_the_whole_email(client: TestClient, sessions: Sessions) -> None:
    someone, email, requests = with_email(sessions, NOW - WEEK, 3)
    call = booked(client, someone, placement_request_ids=requests[1:2])
    assert (call["email_ids"], call["placement_request_ids"]) == ([email], requests)
    assert get(sessions, Email, email).followed_up_at == NOW
    assert follow_up(sessions).scheduled == 0


@pytest.mark.parametrize("status", ["queued", "closed", "called", "followed_up", "rejected"])
def test_a_request_that_waits_elsewhere_is_refused(client: TestClient, sessions: Sessions, status: str) -> None:
    someone, email, (request,) = with_email(sessions, NOW - WEEK)
    with writing(sessions) as session:
        row = session.get_one(Email, email)
        asked = session.get_one(PlacementRequest, request)
        if status == "queued":
            row.status, row.next_attempt_at, row.sent_at = "queued", NOW, None
            row.override_reason = "holds no key in this test"
            session.execute(delete(OutboxEvent).where(OutboxEvent.event_type == "communication.email_sent"))
        elif status == "rejected":
            asked.status, asked.status_reason, asked.closed_at = "rejected", "therapist_rejected", NOW
            session.execute(update(EmailBatch).values(live=False))
        elif status == "followed_up":
            row.followed_up_at = NOW
        elif status == "closed":
            row.closed_at = NOW
    if status == "called":
        follow_up(sessions)
    answer = book(client, someone, placement_request_ids=[request], override={"reason": "eilt"})
    assert answer.status_code == 409
    assert str(request) in answer.json()["detail"]


def test_a_request_for_another_therapist_is_bad_input(client: TestClient, sessions: Sessions) -> None:
    _, requests = with_requests(sessions)
    answer = book(client, therapist(sessions), placement_request_ids=requests)
    assert answer.status_code == 422


def test_a_call_back_about_what_needs_a_follow_up_stands_outside_the_rule(
    client: TestClient, sessions: Sessions
) -> None:
    someone, requests = with_requests(sessions)
    first = booked(client, someone, placement_request_ids=requests)["id"]
    answers = [{"placement_request_id": requests[0], "outcome": "needs_follow_up"}]
    assert client.post(f"/api/phone-calls/{first}/complete", json={"answers": answers}).status_code == 200
    call = booked(client, someone, "10:00", placement_request_ids=requests)
    assert (call["kind"], call["placement_request_ids"]) == ("reply", requests)
    missed = client.post(f"/api/phone-calls/{call['id']}/miss").json()
    retry = client.get(f"/api/phone-calls/{missed['retry_id']}").json()
    assert (retry["kind"], retry["try_number"], retry["placement_request_ids"]) == ("reply", 2, requests)


def test_a_request_that_a_reached_call_left_open_can_be_called_about_again(
    client: TestClient, sessions: Sessions, told: Clock
) -> None:
    someone, requests = with_requests(sessions)
    first = booked(client, someone, placement_request_ids=requests)["id"]
    client.post(f"/api/phone-calls/{first}/complete")
    assert refusal(book(client, someone, "10:00", placement_request_ids=requests)) == (409, "contacted_recently")
    told.now = NOW + WEEK + DAY
    assert booked(client, someone, placement_request_ids=requests)["kind"] == "manual"


# reading


def test_calls_are_listed_newest_first_and_filtered(client: TestClient, sessions: Sessions) -> None:
    first, second = therapist(sessions), therapist(sessions)
    one = booked(client, first, "10:00")
    two = booked(client, second)
    client.post(f"/api/phone-calls/{two['id']}/complete")

    def ids(query: str) -> list[int]:
        return [call["id"] for call in client.get(f"/api/phone-calls?{query}").json()]

    assert ids("") == [two["id"], one["id"]]
    assert ids(f"therapist_id={first}") == [one["id"]]
    assert ids("status=completed") == [two["id"]]
    assert ids(f"scheduled_date={TUESDAY}") == [one["id"]]
    assert ids("scheduled_date=9999-12-31") == ids("scheduled_date=0001-01-01") == ids("caller=2") == []
    assert ids("kind=manual&caller=1") == [two["id"], one["id"]]


@pytest.mark.parametrize("query", ["scheduled_date=24.11.2026", "scheduled_date=0", "status=lost", "caller=x", "by=1"])
def test_a_filter_that_is_not_understood_is_422(client: TestClient, query: str) -> None:
    assert client.get(f"/api/phone-calls?{query}").status_code == 422


def test_a_page_is_read_in_as_many_queries_whatever_is_on_it(client: TestClient, sessions: Sessions) -> None:
    def statements() -> int:
        engine = sessions.kw["bind"]
        seen: list[str] = []

        def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        client.get("/api/phone-calls?limit=100")
        event.remove(engine, "before_cursor_execute", note)
        return len([each for each in seen if "phone_call" in each])

    booked(client, therapist(sessions))
    few = statements()
    for _ in range(5):
        someone, requests = with_requests(sessions, 2)
        booked(client, someone, placement_request_ids=requests)
    assert statements() == few <= 5


def test_notes_need_the_scope_content(client: TestClient, client_with: Client, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), notes="spricht leise")
    reader = client_with("read")
    assert "notes" not in reader.get(f"/api/phone-calls/{call['id']}").json()
    assert "notes" not in reader.get("/api/phone-calls").json()[0]
    assert reader.get(f"/api/phone-calls/{call['id']}").headers["etag"]
    assert client_with("read", "content").get("/api/phone-calls").json()[0]["notes"] == "spricht leise"


def test_an_unknown_call_is_404_for_everything(client: TestClient) -> None:
    path = "/api/phone-calls/424242"
    verbs = [client.post(f"{path}/{verb}") for verb in ("complete", "miss", "cancel", "reschedule")]
    others = [client.get(path), client.get(f"{path}/batches"), client.put(path, json={}), client.delete(path)]
    assert {answer.status_code for answer in verbs + others} == {404}
