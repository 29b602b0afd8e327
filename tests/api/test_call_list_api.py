"""The call list of a day: all that the caller needs, and nothing that a letter may not say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from comms.services.phone_numbers import din_5008
from comms.store.models import EmailBatch
from comms.store.session import Sessions, writing
from tests.api.calls import TUESDAY, Clock, booked, set_clock, therapist, with_email, with_requests
from tests.api.conftest import Client
from tests.factories import NOW, WEEK
from tests.services.calls import follow_up

DATABASES = ("sqlite",)

HOURS = {"tuesday": [["09:00", "12:00"], ["14:00", "15:00"]], "friday": [["08:00", "09:00"]]}


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch)


def listed(client: TestClient, query: str = f"date={TUESDAY}") -> Any:
    answer = client.get(f"/api/call-list?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_has_whom_to_call_in_the_order_of_time(client: TestClient, sessions: Sessions) -> None:
    late = booked(client, therapist(sessions), "11:00")
    early = booked(client, therapist(sessions, phone_availability=HOURS, phone_extension="89"), "09:30")
    booked(client, therapist(sessions))
    found = listed(client)
    assert [call["id"] for call in found] == [early["id"], late["id"]]
    assert (found[0]["scheduled_time"], found[0]["kind"]) == ("09:30", "manual")
    assert found[0]["therapist"] == {
        "id": early["therapist_id"],
        "name": "Dr. Andrea Müller",
        "phone": "030 1234567-89",
        "phone_e164": "+49301234567",
        "phone_extension": "89",
        "phone_hours": [["09:00", "12:00"], ["14:00", "15:00"]],
        "potentially_available": False,
    }


def test_without_a_date_it_is_today_in_local_time(client: TestClient, sessions: Sessions, told: Clock) -> None:
    call = booked(client, therapist(sessions), "09:30")
    assert listed(client, "") == []
    told.now = NOW.replace(hour=23, minute=30)  # half past midnight in Berlin
    assert [each["id"] for each in listed(client, "")] == [call["id"]]


def test_a_request_from_an_email_has_the_number_and_the_facts_that_stand_in_it(
    client: TestClient, sessions: Sessions
) -> None:
    someone, email, requests = with_email(sessions, NOW - WEEK, 2)
    with writing(sessions) as session:
        for place in session.query(EmailBatch).filter(EmailBatch.email_id == email):
            place.facts = {"age_band": "30-39", "diagnosis": "F41", "availability": {"monday": ["morning"]}}
    booked(client, someone, "10:00", placement_request_ids=requests)
    (call,) = listed(client)
    spoken_of = [(each["id"], each["email_id"], each["number"]) for each in call["placement_requests"]]
    assert spoken_of == [(requests[0], email, 1), (requests[1], email, 2)]
    assert call["placement_requests"][0]["facts"]["diagnosis"] == "F41"
    assert [each["id"] for each in call["emails"]] == [email]


def test_a_request_of_no_email_has_the_facts_that_a_letter_would_say(client: TestClient, sessions: Sessions) -> None:
    someone, requests = with_requests(sessions)
    booked(client, someone, "10:00", placement_request_ids=[*requests, 7654321])
    (call,) = listed(client)
    known, stub = call["placement_requests"]
    assert (known["number"], known["facts"]["age_band"], known["facts"]["diagnosis"]) == (None, "30-39", "F32")
    assert known["facts"]["waiting_since"] == "2026-03"
    assert (stub["patient_id"], set(stub["facts"].values())) == (None, {None})
    assert "1988" not in client.get(f"/api/call-list?date={TUESDAY}").text


def test_it_says_what_happened_before(client: TestClient, sessions: Sessions) -> None:
    someone, email, _ = with_email(sessions, NOW - 2 * WEEK)
    follow_up(sessions)
    first = client.get(f"/api/phone-calls?therapist_id={someone}").json()[0]
    missed = client.post(f"/api/phone-calls/{first['id']}/miss", json={"notes": "nur Band"}).json()
    (call,) = listed(client)
    assert call["id"] == missed["retry_id"]
    assert (call["try_number"], [each["id"] for each in call["emails"]]) == (2, [email])
    before = [(each["id"], each["status"], each["status_reason"], each["notes"]) for each in call["calls"]]
    assert before == [(first["id"], "failed", "not_reached", "nur Band")]


def test_notes_need_the_scope_content_also_those_of_earlier_calls(
    client: TestClient, client_with: Client, sessions: Sessions
) -> None:
    first = booked(client, therapist(sessions), notes="geheim")
    client.post(f"/api/phone-calls/{first['id']}/miss")
    seen = client_with("read").get(f"/api/call-list?date={TUESDAY}")
    assert seen.json()[0]["calls"][0]["id"] == first["id"]
    assert "notes" not in seen.text
    assert "geheim" in client_with("read", "content").get(f"/api/call-list?date={TUESDAY}").text


def test_it_can_be_of_one_caller_and_of_one_status(client: TestClient, sessions: Sessions) -> None:
    one = booked(client, therapist(sessions), "10:00")
    other = booked(client, therapist(sessions), "10:05")
    client.delete(f"/api/phone-calls/{other['id']}")
    assert [call["id"] for call in listed(client)] == [one["id"], other["id"]]
    assert [call["id"] for call in listed(client, f"date={TUESDAY}&status=scheduled&caller=1")] == [one["id"]]
    assert listed(client, f"date={TUESDAY}&caller=2") == []


@pytest.mark.parametrize("query", ["date=tomorrow", "date=", "date=2026-11-31", "day=2026-11-24"])
def test_a_day_that_is_not_understood_is_422(client: TestClient, query: str) -> None:
    assert client.get(f"/api/call-list?{query}").status_code == 422


@pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31", "2026-10-25"])
def test_days_at_the_edge_are_empty(client: TestClient, date: str) -> None:
    assert listed(client, f"date={date}") == []


def test_it_is_read_in_four_queries_however_long_it_is(client: TestClient, sessions: Sessions) -> None:
    for minute in range(0, 30, 5):
        someone, requests = with_requests(sessions, 2)
        booked(client, someone, f"10:{minute:02}", placement_request_ids=requests)
    asked: list[str] = []

    def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = sessions.kw["bind"]
    event.listen(engine, "before_cursor_execute", note)
    assert len(listed(client)) == 6
    event.remove(engine, "before_cursor_execute", note)
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("phone", "extension", "shown"),
    [
        ("+49301234567", "89", "030 1234567-89"),
        ("+4915123456789", None, "01512 3456789"),
        ("+43158858", "12", "+43 1 58858-12"),
        ("+49", None, "+49"),
        (None, "12", None),
    ],
)
def test_numbers_are_shown_after_din_5008(phone: str | None, extension: str | None, shown: str | None) -> None:
    assert din_5008(phone, extension) == shown


def test_the_day_before_is_another_day(client: TestClient, sessions: Sessions, told: Clock) -> None:
    told.now = NOW - timedelta(days=3)
    booked(client, therapist(sessions), "10:00")
    assert listed(client, "date=2026-11-23") == []
