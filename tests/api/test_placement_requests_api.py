"""Placement requests over HTTP: what a status does, what stays as it is, what is kept by name."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from comms.services.intake.stubs import keep_request_stubs
from comms.store.models import AuditEntry, Email, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client
from tests.factories import NOW, make_email, make_patient, make_request, make_therapist

DATABASES = ("sqlite",)

URL = "/api/placement-requests/301"
PAIR = {"patient_id": 201, "therapist_id": 101}


def waiting(sessions: Sessions, **facts: Any) -> int:
    """Request 301 in a queued email; the id of the email."""
    with writing(sessions) as session:
        therapist = make_therapist(session, id=101)
        patient = make_patient(session, id=201)
        request = make_request(session, therapist, patient, id=301)
        email = make_email(session, therapist, [request])
        for name, value in facts.items():
            setattr(request, name, value)
        return int(email.id)


def test_a_request_keeps_those_it_names_as_stubs(client: TestClient) -> None:
    answer = client.put(URL, json=PAIR)
    assert (answer.status_code, answer.json()["status"], answer.json()["facts_missing"]) == (201, "open", False)
    assert client.get("/api/patients/201").json()["facts_missing"] is True
    assert client.get("/api/therapists/101").json()["facts_missing"] is True


@pytest.mark.parametrize("missing", list(PAIR))
def test_a_new_request_names_both(client: TestClient, missing: str) -> None:
    answer = client.put(URL, json={name: id_ for name, id_ in PAIR.items() if name != missing})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, f"body.{missing}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((side, value) for side in PAIR for value in (None, 0, -1, "201", True, 1.5, 2**53 + 1, 10**30)),
        *(("status", value) for value in (None, "offen", "", 1)),
        *(("priority", value) for value in ("1", 2**31, -(2**31), 1.5, True)),
        *(("notes", value) for value in ("", " ", "x" * 10_001, "a\0b")),
        *(("requested_at", value) for value in (None, "2026-03-02T08:00:00Z")),
    ],
)
def test_what_could_not_be_understood_is_refused(client: TestClient, field: str, value: object) -> None:
    answer = client.put(URL, json=PAIR | {field: value})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {f"body.{field}"}
    assert client.get(URL).status_code == 404


@pytest.mark.parametrize("side", list(PAIR))
def test_a_request_keeps_its_patient_and_its_therapist(client: TestClient, side: str) -> None:
    client.put(URL, json=PAIR)
    answer = client.put(URL, json=PAIR | {side: 999, "status": "rejected"})
    assert (answer.status_code, client.get(URL).json()["status"]) == (409, "open")
    assert client.get(f"/api/{side.removesuffix('_id')}s/999").status_code == 404


@pytest.mark.parametrize("status", ["rejected", "accepted", "withdrawn"])
def test_a_closing_status_takes_it_out_of_the_waiting_email(
    client: TestClient, sessions: Sessions, status: str
) -> None:
    email_id = waiting(sessions)
    found = client.put(URL, json={"status": status}).json()
    assert (found["status"], found["status_reason"]) == (status, f"{status}_by_platform")
    with reading(sessions) as session:
        assert session.get_one(Email, email_id).status == "canceled"
        (details,) = session.scalars(select(AuditEntry.details).where(AuditEntry.subject_type == "placement_request"))
    assert details == {"fields": ["status"]}


def test_the_same_status_again_changes_nothing(client: TestClient) -> None:
    client.put(URL, json=PAIR)
    first, second = (client.put(URL, json={"status": "withdrawn"}) for _ in range(2))
    assert (first.headers["etag"], second.status_code) == (second.headers["etag"], 200)


def test_what_a_put_closed_a_put_opens_again(client: TestClient) -> None:
    client.put(URL, json=PAIR)
    client.put(URL, json={"status": "withdrawn"})
    found = client.put(URL, json={"status": "open"}).json()
    assert (found["status"], found["status_reason"], found["closed_at"]) == ("open", None, None)


@pytest.mark.parametrize("status", ["open", "in_progress", "accepted", "withdrawn"])
def test_what_an_answer_closed_stays_closed(client: TestClient, sessions: Sessions, status: str) -> None:
    waiting(sessions, status="rejected", status_reason="therapist_rejected", closed_at=NOW)
    answer = client.put(URL, json={"status": status, "priority": 3})
    assert (answer.status_code, answer.json()["allowed"]) == (409, [])
    assert client.get(URL).json()["priority"] is None
    assert client.put(URL, json={"status": "rejected", "priority": 3}).json()["priority"] == 3


def test_what_was_closed_by_put_says_what_would_be_allowed(client: TestClient) -> None:
    client.put(URL, json=PAIR | {"status": "withdrawn"})
    answer = client.put(URL, json={"status": "in_progress"})
    assert (answer.status_code, answer.json()["allowed"]) == (409, ["accepted", "open", "rejected"])


@pytest.mark.parametrize("status", ["open", "in_progress"])
def test_which_open_one_it_is_follows_from_its_emails(client: TestClient, sessions: Sessions, status: str) -> None:
    waiting(sessions)
    assert client.put(URL, json={"status": status}).json()["status"] == "in_progress"
    found = client.put("/api/placement-requests/302", json=PAIR | {"status": status}).json()
    assert found["status"] == "open"


def test_an_accepted_request_withdraws_the_others_of_its_patient(client: TestClient) -> None:
    client.put(URL, json=PAIR)
    client.put("/api/placement-requests/302", json=PAIR | {"therapist_id": 102, "status": "accepted"})
    assert client.get(URL).json()["status_reason"] == "patient_placed"


def test_a_request_that_an_email_named_is_completed(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        make_therapist(session, id=101)
        keep_request_stubs(session, [301], 101, NOW)
    assert client.get(URL).json()["facts_missing"] is True
    answer = client.put(URL, json=PAIR)
    assert (answer.status_code, answer.json()["facts_missing"], answer.json()["patient_id"]) == (200, False, 201)


def test_a_deleted_patient_gets_no_new_request(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        make_patient(session, id=201, deleted_at=NOW)
    assert client.put(URL, json=PAIR).status_code == 409
    with reading(sessions) as session:
        assert session.scalars(select(PlacementRequest)).all() == []


def test_notes_need_the_scope_content_also_in_the_list(client: TestClient, client_with: Client) -> None:
    client.put(URL, json=PAIR | {"notes": "dringend"})
    assert client.get(URL).json()["notes"] == "dringend"
    reader = client_with("read")
    assert "notes" not in reader.get(URL).json()
    assert "notes" not in reader.get("/api/placement-requests").json()[0]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1]),
        ("status=withdrawn", [2]),
        ("status_reason=withdrawn_by_platform", [2]),
        ("therapist_id=101", [3, 1]),
        ("patient_id=202", [2]),
        ("facts_missing=true", [3]),
        ("facts_missing=false&status=open", [1]),
        ("therapist_id=999", []),
    ],
)
def test_the_list_is_filtered(client: TestClient, sessions: Sessions, query: str, found: list[int]) -> None:
    client.put("/api/placement-requests/1", json=PAIR)
    client.put("/api/placement-requests/2", json={"patient_id": 202, "therapist_id": 102, "status": "withdrawn"})
    with writing(sessions) as session:
        keep_request_stubs(session, [3], 101, NOW)
    assert [row["id"] for row in client.get(f"/api/placement-requests?{query}").json()] == found
