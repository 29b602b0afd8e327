"""Patients over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from comms.store.session import Sessions, writing
from tests.factories import NOW, make_patient

DATABASES = ("sqlite",)

URL = "/api/patients/201"
FACTS: dict[str, Any] = {
    "birth_date": "1988-04-17",
    "gender": "weiblich",
    "diagnosis": "F32.1 G",
    "insurance": "AOK Nordost",
    "insurance_kind": "statutory",
    "registered_on": "2026-03-02",
    "availability": {"monday": [{"start": "08:00", "end": "12:00"}], "thursday": [{"start": "14:00", "end": "24:00"}]},
    "open_to_group_therapy": False,
    "earlier_therapy": True,
    "last_session_on": "2020-01-31",
}


def test_what_was_put_is_what_is_read_and_again_is_nothing_new(client: TestClient) -> None:
    first, second = (client.put(URL, json=FACTS) for _ in range(2))
    assert (first.status_code, second.status_code, first.headers["etag"]) == (201, 200, second.headers["etag"])
    found = client.get(URL).json()
    assert {name: found[name] for name in FACTS} == FACTS


def test_nothing_needs_to_be_known_of_a_patient(client: TestClient) -> None:
    answer = client.put(URL, json={})
    assert (answer.status_code, answer.json()["facts_missing"]) == (201, False)


def test_null_clears_every_field(client: TestClient) -> None:
    client.put(URL, json=FACTS)
    found = client.put(URL, json=dict.fromkeys(FACTS)).json()
    assert {name: found[name] for name in FACTS} == dict.fromkeys(FACTS)


def test_the_kind_of_insurance_is_told_by_its_name(client: TestClient) -> None:
    assert client.put(URL, json={"insurance": "Techniker Krankenkasse"}).json()["insurance_kind"] == "statutory"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("birth_date", "2999-01-01"),
        ("birth_date", "1700-01-01"),
        ("birth_date", "1988-02-30"),
        ("birth_date", 19880417),
        ("last_session_on", "2099-01-01"),
        ("diagnosis", "Depression"),
        ("diagnosis", "F32.1; DROP"),
        ("gender", "x" * 21),
        ("insurance", ""),
        ("insurance_kind", "gesetzlich"),
        ("open_to_group_therapy", "false"),
        ("earlier_therapy", 0),
        ("availability", "nachmittags"),
        ("vorname", "Eva"),
        ("deleted_at", None),
    ],
)
def test_what_could_not_be_understood_is_refused(client: TestClient, field: str, value: object) -> None:
    answer = client.put(URL, json={field: value})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {f"body.{field}"}
    assert client.get(URL).status_code == 404


def test_a_patient_who_was_deleted_stays_deleted(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        make_patient(session, id=201, deleted_at=NOW)
    answer = client.put(URL, json=FACTS)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:comms:conflict")


def test_if_match_on_a_patient_nobody_knows_is_412(client: TestClient) -> None:
    assert client.put(URL, json=FACTS, headers={"If-Match": "*"}).status_code == 412


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("insurance_kind=private", [2]),
        ("facts_missing=true", [3]),
        ("deleted=true", [4]),
        ("deleted=false&facts_missing=false", [2, 1]),
        ("open_to_group_therapy=true", [2]),
        ("earlier_therapy=false", [2]),
    ],
)
def test_the_list_is_filtered(client: TestClient, sessions: Sessions, query: str, found: list[int]) -> None:
    with writing(sessions) as session:
        make_patient(session, id=1)
        make_patient(session, id=2, insurance_kind="private", open_to_group_therapy=True, earlier_therapy=False)
        make_patient(session, id=3, facts_missing=True)
        make_patient(session, id=4, deleted_at=NOW)
    assert [row["id"] for row in client.get(f"/api/patients?{query}").json()] == found
