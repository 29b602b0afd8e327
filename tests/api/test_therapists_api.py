"""Therapists over HTTP: put, read, listed."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from comms.store.models import AuditEntry, Email, Therapist
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client
from tests.factories import NOW, make_email, make_request, make_therapist

DATABASES = ("sqlite",)

URL = "/api/therapists/101"
FACTS: dict[str, Any] = {
    "salutation": "frau",
    "title": "Dr.",
    "first_name": "Andrea",
    "last_name": "Müller",
    "practice_name": None,
    "email": "praxis@therapie.example",
    "phone": "+49301234567",
    "street": "Torstraße 1",
    "postal_code": "10119",
    "city": "Berlin",
    "land": "BE",
    "language": "de",
    "status": "active",
    "phone_availability": {"monday": [{"start": "09:00", "end": "12:00"}]},
    "potentially_available": True,
    "next_contact_possible": "2026-12-24",
    "do_not_contact": None,
}


def problems(answer: Any) -> dict[str, str]:
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


def audits(sessions: Sessions) -> list[tuple[str, dict[str, Any] | None]]:
    with reading(sessions) as session:
        query = select(AuditEntry.actor, AuditEntry.details).where(AuditEntry.subject_type == "therapist")
        return [(actor, details) for actor, details in session.execute(query.order_by(AuditEntry.id))]


def test_a_put_creates_with_201_and_changes_with_200(client: TestClient) -> None:
    first = client.put(URL, json=FACTS)
    assert (first.status_code, first.headers["location"]) == (201, URL)
    second = client.put(URL, json={"city": "Potsdam"})
    assert (second.status_code, second.json()["city"], second.json()["last_name"]) == (200, "Potsdam", "Müller")


def test_what_was_put_is_what_is_read(client: TestClient) -> None:
    client.put(URL, json=FACTS)
    found = client.get(URL).json()
    assert {name: found[name] for name in FACTS} == FACTS


def test_null_clears_and_what_is_not_sent_stays(client: TestClient) -> None:
    client.put(URL, json=FACTS)
    found = client.put(URL, json={"title": None, "phone_availability": None, "potentially_available": None}).json()
    assert (found["title"], found["phone_availability"], found["potentially_available"]) == (None, None, False)
    assert found["street"] == "Torstraße 1"


def test_the_same_put_again_changes_nothing_and_is_not_audited(client: TestClient, sessions: Sessions) -> None:
    tags = [client.put(URL, json=FACTS).headers["etag"] for _ in range(2)]
    assert tags[0] == tags[1]
    ((actor, details),) = audits(sessions)
    assert (actor.split()[0], details) == ("key:test", {"new": True})
    client.put(URL, json={"city": "Potsdam"})
    assert audits(sessions)[1:] == [(actor, {"fields": ["city"]})]


@pytest.mark.parametrize("tag", ['"another"', "*"])
def test_if_match_on_what_does_not_exist_is_412_and_makes_nothing(client: TestClient, tag: str) -> None:
    assert client.put(URL, json=FACTS, headers={"If-Match": tag}).status_code == 412
    assert client.get(URL).status_code == 404


def test_if_match_must_name_the_present_state(client: TestClient) -> None:
    tag = client.put(URL, json=FACTS).headers["etag"]
    assert client.put(URL, json={"city": "Potsdam"}, headers={"If-Match": tag}).status_code == 200
    assert client.put(URL, json={"city": "Bernau"}, headers={"If-Match": tag}).status_code == 412
    assert client.put(URL, json={"city": "Bernau"}, headers={"If-Match": "*"}).status_code == 200


def test_a_new_therapist_needs_a_name(client: TestClient) -> None:
    answer = client.put(URL, json={"city": "Berlin"})
    assert (answer.status_code, problems(answer)) == (422, {"body.last_name": "name_missing"})
    assert client.put(URL, json={"practice_name": "MVZ am Park"}).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("last_name", "city", "email", "phone") for value in ("", "  ", 7, [], "a\0b")),
        ("last_name", "x" * 101),
        ("title", "a\u202eb"),
        ("email", "kein@"),
        ("email", "a@x.example, b@x.example"),
        ("email", "a@x.example\r\nBcc: b@x.example"),
        ("phone", "12"),
        ("phone", "anrufen"),
        ("postal_code", "1011"),
        ("postal_code", 10115),
        ("land", "Bayern"),
        ("land", "XX"),
        ("salutation", "Frau"),
        ("language", "fr"),
        ("status", "gesperrt"),
        ("status", None),
        ("potentially_available", "false"),
        ("potentially_available", 1),
        ("next_contact_possible", "24.12.2026"),
        ("next_contact_possible", "2026-12-24T00:00:00Z"),
        ("next_contact_possible", "1026-12-24"),
        ("phone_availability", {"Mo": ["12:00-09:00"]}),
        ("phone_availability", {"Mondy": ["09:00-12:00"]}),
        ("phone_availability", "immer"),
        ("phone_availability", ["09:00-12:00"]),
        ("phone_availability", 7),
        ("do_not_contact", ""),
        ("do_not_contact", "x" * 2001),
        ("do_not_contact", True),
    ],
)
def test_what_could_not_be_understood_is_refused_and_nothing_goes_in(
    client: TestClient, field: str, value: object
) -> None:
    answer = client.put(URL, json={"last_name": "Müller", field: value})
    assert answer.status_code == 422
    assert [place for place in problems(answer) if not place.startswith(f"body.{field}")] == []
    assert client.get(URL).status_code == 404


def test_every_fault_of_a_body_is_named_at_once_and_in_words(client: TestClient) -> None:
    answer = client.put(URL, json={"last_name": "Müller", "email": "kein@", "phone": "anrufen"})
    assert problems(answer) == {"body.email": "not_an_email", "body.phone": "not_a_phone_number"}
    assert answer.json()["errors"][0]["message"] == "this is not an email address"
    assert "kein@" not in answer.text


def test_hours_that_cannot_be_read_are_refused_with_their_place(client: TestClient) -> None:
    hours = {"monday": ["09:00-12:00", "18:00-17:00"]}
    (error,) = client.put(URL, json={"last_name": "Müller", "phone_availability": hours}).json()["errors"]
    assert (error["code"], error["message"]) == (
        "hours_unreadable",
        "could not be read: monday[1]: end_before_start",
    )


@pytest.mark.parametrize("field", ["id", "nachname", "facts_missing", "phone_extension", "version"])
def test_fields_that_are_not_there_to_be_put_are_refused(client: TestClient, field: str) -> None:
    assert client.put(URL, json=FACTS | {field: 1}).status_code == 422


@pytest.mark.parametrize("id_", [2**53 + 1, 2**63 - 1, 2**63, 10**30, 0, -1, "x", "1.0"])
def test_an_id_that_nobody_can_have_is_422(client: TestClient, id_: object) -> None:
    answer = client.put(f"/api/therapists/{id_}", json=FACTS)
    assert (answer.status_code, list(problems(answer))) == (422, ["path.therapist_id"])


@pytest.mark.parametrize(
    "hours",
    [
        {"monday": [{"start": "09:00", "end": "12:00"}], "wednesday": [{"start": "14:00", "end": "16:30"}]},
        {"Mi": ["14:00-16:30"], "montag": ["09:00-12:00"]},
        "Mo 9-12, Mi 14-16:30",
        '{"montag": ["09:00-10:00", "10:00-12:00"], "mittwoch": [["14:00", "16:30"]]}',
    ],
)
def test_hours_in_every_notation_come_back_in_one(client: TestClient, hours: object) -> None:
    found = client.put(URL, json={"last_name": "Müller", "phone_availability": hours}).json()
    assert found["phone_availability"] == {
        "monday": [{"start": "09:00", "end": "12:00"}],
        "wednesday": [{"start": "14:00", "end": "16:30"}],
    }


@pytest.mark.parametrize("phone", ["030 1234567-89", "0171 1234567 ext. 89", "+49 30 1234567", "(030) 1234567 DW 8"])
def test_a_number_as_it_is_shown_can_be_put_again(client: TestClient, phone: str) -> None:
    first = client.put(URL, json={"last_name": "Müller", "phone": phone})
    shown = first.json()["phone"]
    assert shown.startswith("+49")
    assert client.put(URL, json={"phone": shown}).headers["etag"] == first.headers["etag"]


def test_a_blocked_therapist_loses_what_waits_in_the_same_transaction(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = make_email(session, therapist, [make_request(session, therapist)])
    assert client.put(f"/api/therapists/{therapist.id}", json={"status": "blocked"}).status_code == 200
    with reading(sessions) as session:
        assert session.get_one(Email, email.id).status == "canceled"


def test_a_refused_put_ends_nothing(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = make_email(session, therapist)
    answer = client.put(f"/api/therapists/{therapist.id}", json={"status": "blocked", "phone": "anrufen"})
    assert answer.status_code == 422
    with reading(sessions) as session:
        assert session.get_one(Email, email.id).status == "queued"


def test_a_new_address_is_written_to_again(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, email_refused_at=NOW)
    url = f"/api/therapists/{therapist.id}"
    assert client.put(url, json={"city": "Potsdam"}).json()["email_refused_at"] is not None
    assert client.put(url, json={"email": "neu@therapie.example"}).json()["email_refused_at"] is None


def test_facts_complete_a_stub(client: TestClient) -> None:
    client.put("/api/placement-requests/301", json={"patient_id": 201, "therapist_id": 101})
    assert client.get(URL).json()["facts_missing"] is True
    answer = client.put(URL, json=FACTS)
    assert (answer.status_code, answer.json()["facts_missing"]) == (200, False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1]),
        ("status=blocked", [2]),
        ("land=BY", [2]),
        ("facts_missing=true", [3]),
        ("potentially_available=true", [1]),
        ("do_not_contact=true", [2]),
        ("do_not_contact=false", [3, 1]),
        ("email=PRAXIS%2Bx@Therapie.example", [1]),
        ("last_name=M%C3%BCller&city=Berlin", [1]),
        ("practice_name=MVZ", [2]),
        ("language=en", [2]),
        ("status=blocked&land=BE", []),
    ],
)
def test_the_list_is_filtered(client: TestClient, sessions: Sessions, query: str, found: list[int]) -> None:
    client.put("/api/therapists/1", json=FACTS)
    second = {"practice_name": "MVZ", "land": "BY", "status": "blocked", "do_not_contact": "nie", "language": "en"}
    client.put("/api/therapists/2", json=second)
    client.put("/api/placement-requests/1", json={"patient_id": 1, "therapist_id": 3})
    answer = client.get(f"/api/therapists?{query}")
    assert ([row["id"] for row in answer.json()], answer.headers["x-total-count"]) == (found, str(len(found)))


@pytest.mark.parametrize("query", ["status=gesperrt", "land=by", "facts_missing=1", "name=x", "email=a%00b"])
def test_a_filter_that_is_not_understood_is_422(client: TestClient, query: str) -> None:
    assert client.get(f"/api/therapists?{query}").status_code == 422


def test_writing_needs_its_scope(client_with: Client) -> None:
    assert client_with("read").put(URL, json=FACTS).status_code == 403


_NAME = st.text(st.sampled_from("aäßéÉ -'.7М漢"), max_size=30).filter(str.strip)
_TIMES = st.integers(0, 286).map(lambda five: (five * 5, five * 5 + 10))
_DAY = st.sampled_from(["monday", "Montag", "Mo", "tue", "MITTWOCH", "so"])


def _hhmm(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


_WINDOW = st.one_of(
    _TIMES.map(lambda ends: {"start": _hhmm(ends[0]), "end": _hhmm(ends[1])}),
    _TIMES.map(lambda ends: f"{_hhmm(ends[0])}-{_hhmm(ends[1])}"),
)
_FACTS = st.fixed_dictionaries(
    {"last_name": _NAME},
    optional={
        "salutation": st.sampled_from(["frau", "herr", "divers", None]),
        "title": _NAME | st.none(),
        "practice_name": _NAME | st.none(),
        "email": st.sampled_from(["Praxis+x@Therapie.example", "ä@müller.example", None]),
        "phone": st.sampled_from(["030 1234567-89", "+43 1 234567", "0171/1234567", None]),
        "postal_code": st.from_regex("[0-9]{5}", fullmatch=True) | st.none(),
        "land": st.sampled_from(["BE", "BY", None]),
        "language": st.sampled_from(["de", "en", None]),
        "status": st.sampled_from(["active", "blocked", "inactive"]),
        "phone_availability": st.dictionaries(_DAY, st.lists(_WINDOW, max_size=3), max_size=3) | st.none(),
        "potentially_available": st.booleans() | st.none(),
        "next_contact_possible": st.dates(NOW.date().replace(year=1900), NOW.date().replace(year=2100)).map(str),
        "do_not_contact": _NAME | st.none(),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_FACTS)
def test_what_is_put_is_read_and_what_is_read_can_be_put_again(
    client: TestClient, sessions: Sessions, facts: dict[str, Any]
) -> None:
    first = client.put(URL, json=facts)
    assert first.status_code in (200, 201), first.text
    shown = client.get(URL)
    assert shown.json() == first.json()
    again = client.put(URL, json={name: shown.json()[name] for name in FACTS})
    assert (again.status_code, again.headers["etag"]) == (200, shown.headers["etag"])
    assert client.put(URL, json=facts).headers["etag"] == shown.headers["etag"]
    for name in ("salutation", "postal_code", "land", "status", "next_contact_possible"):
        assert name not in facts or shown.json()[name] == facts[name]
    with reading(sessions) as session:
        assert session.scalar(select(func.count()).select_from(Therapist)) == 1
