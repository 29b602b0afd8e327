"""Placement requests in emails over HTTP: their places in a draft, and what was answered for each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from comms.services.withdrawals import withdraw_requests
from comms.store.models import Email, EmailBatch, PhoneCallBatch, PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client
from tests.factories import NOW, make_patient, make_request, make_therapist
from tests.invariants import broken
from tests.services.email_rows import call_about, email_about, events, request_ids, staff_items, statuses

DATABASES = ("sqlite",)


@pytest.fixture
def therapist(sessions: Sessions) -> Therapist:
    with writing(sessions) as session:
        return make_therapist(session)


@pytest.fixture
def requests(sessions: Sessions, therapist: Therapist) -> list[int]:
    with writing(sessions) as session:
        return [make_request(session, therapist).id for _ in range(3)]


@pytest.fixture
def draft(client: TestClient, therapist: Therapist, requests: list[int]) -> int:
    """About the first two requests."""
    said = {
        "therapist_id": therapist.id,
        "subject": "Anfrage",
        "body_html": "<p>Guten Tag</p>",
        "recipient_email": "praxis@therapie.example",
        "recipient_name": "Müller",
        "placement_request_ids": requests[:2],
    }
    return cast(int, client.post("/api/emails", json=said).json()["id"])


@pytest.fixture
def sent(sessions: Sessions, therapist: Therapist, requests: list[int]) -> int:
    """About the first two requests, not answered."""
    with writing(sessions) as session:
        about = [session.get_one(PlacementRequest, id_) for id_ in requests[:2]]
        return email_about(session, "sent", therapist, about).id


def batches(client: TestClient, email_id: int) -> list[dict[str, Any]]:
    """In the order in which they were added."""
    return cast(list[dict[str, Any]], client.get(f"/api/emails/{email_id}/batches").json())[::-1]


def put(client: TestClient, batch: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = client.put(f"/api/email-batches/{batch['id']}", json=body)
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())


# places in a draft


def test_a_batch_is_shown_alone_and_in_its_email(client: TestClient, draft: int, requests: list[int]) -> None:
    first, second = batches(client, draft)
    assert (first["placement_request_id"], first["priority"], first["number"]) == (requests[0], 1, 1)
    assert first["email_id"] == draft
    assert (second["included"], second["response_outcome"], second["response_notes"]) == (True, None, None)
    answer = client.get(f"/api/email-batches/{first['id']}")
    assert answer.json() == first
    assert answer.headers["etag"]


def test_batches_are_paged_like_every_list(client: TestClient, draft: int) -> None:
    answer = client.get(f"/api/emails/{draft}/batches?limit=1")
    assert (answer.headers["x-total-count"], len(answer.json())) == ("2", 1)
    assert len(client.get(answer.links["next"]["url"]).json()) == 1


def test_a_request_is_added_last_or_where_it_is_wanted(client: TestClient, draft: int, requests: list[int]) -> None:
    answer = client.post(f"/api/emails/{draft}/batches", json={"placement_request_id": requests[2]})
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/email-batches/{made['id']}")
    assert (made["priority"], made["number"]) == (3, 3)
    client.post(f"/api/emails/{draft}/batches", json={"placement_request_id": 4711, "priority": 1})
    shown = client.get(f"/api/emails/{draft}").json()["placement_request_ids"]
    assert shown == [requests[0], 4711, requests[1], requests[2]]


def test_a_request_that_nobody_knows_is_kept_as_a_stub(
    client: TestClient, sessions: Sessions, draft: int, therapist: Therapist
) -> None:
    assert client.post(f"/api/emails/{draft}/batches", json={"placement_request_id": 4711}).status_code == 201
    with reading(sessions) as session:
        stub = session.get_one(PlacementRequest, 4711)
    assert (stub.therapist_id, stub.patient_id) == (therapist.id, None)


def test_a_request_is_in_an_email_once(client: TestClient, draft: int, requests: list[int]) -> None:
    answer = client.post(f"/api/emails/{draft}/batches", json={"placement_request_id": requests[0]})
    assert (answer.status_code, "already" in answer.json()["detail"]) == (409, True)


def test_a_request_that_two_clients_add_at_once_is_in_it_once(
    client: TestClient, draft: int, requests: list[int]
) -> None:
    def add(_: int) -> int:
        body = {"placement_request_id": requests[2]}
        return client.post(f"/api/emails/{draft}/batches", json=body).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(add, range(2))) == [201, 409]


def test_requests_of_others_and_closed_ones_are_not_added(
    client: TestClient, sessions: Sessions, draft: int, requests: list[int]
) -> None:
    with writing(sessions) as session:
        other = make_request(session, make_therapist(session)).id
        withdraw_requests(session, [requests[2]], NOW, "withdrawn_by_platform")
    for request in (other, requests[2]):
        answer = client.post(f"/api/emails/{draft}/batches", json={"placement_request_id": request})
        assert answer.status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"placement_request_id": None},
        {"placement_request_id": "1"},
        {"placement_request_id": 10**30},
        {"placement_request_id": 1, "priority": 0},
        {"placement_request_id": 1, "priority": 10**12},
        {"placement_request_id": 1, "priority": "1"},
        {"placement_request_id": 1, "email_id": 1},
    ],
)
def test_what_cannot_be_added_is_422(client: TestClient, draft: int, body: Any) -> None:
    assert client.post(f"/api/emails/{draft}/batches", json=body).status_code == 422


def test_the_order_of_a_draft_can_be_changed_and_a_request_left_out(
    client: TestClient, draft: int, requests: list[int]
) -> None:
    first, second = batches(client, draft)
    assert put(client, first, priority=9)["priority"] == 9
    assert client.get(f"/api/emails/{draft}").json()["placement_request_ids"] == [requests[1], requests[0]]
    put(client, second, included=False)
    assert client.get(f"/api/emails/{draft}").json()["placement_request_ids"] == [requests[0]]
    put(client, second, included=True)
    assert client.post(f"/api/emails/{draft}/queue").json()["placement_request_ids"] == [requests[1], requests[0]]


def test_a_request_that_was_left_out_is_not_held_by_the_queued_email(
    client: TestClient, sessions: Sessions, draft: int, requests: list[int]
) -> None:
    put(client, batches(client, draft)[0], included=False)
    client.post(f"/api/emails/{draft}/queue")
    with reading(sessions) as session:
        assert statuses(session, *requests[:2]) == ["open", "in_progress"]
    assert broken(sessions) == {}


def test_a_closed_request_does_not_come_back_into_a_draft(
    client: TestClient, sessions: Sessions, draft: int, requests: list[int]
) -> None:
    first, _ = batches(client, draft)
    put(client, first, included=False)
    with writing(sessions) as session:
        withdraw_requests(session, requests[:1], NOW, "withdrawn_by_platform")
    assert client.put(f"/api/email-batches/{first['id']}", json={"included": True}).status_code == 409


def test_a_request_is_dropped_from_a_draft_without_a_trace_in_it(
    client: TestClient, draft: int, requests: list[int]
) -> None:
    first, _ = batches(client, draft)
    answer = client.delete(f"/api/email-batches/{first['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"/api/email-batches/{first['id']}").status_code == 404
    assert client.delete(f"/api/email-batches/{first['id']}").status_code == 404
    assert client.get(f"/api/emails/{draft}").json()["placement_request_ids"] == [requests[1]]


def test_once_it_is_no_draft_its_places_are_fixed(client: TestClient, draft: int, requests: list[int]) -> None:
    client.post(f"/api/emails/{draft}/queue")
    first, _ = batches(client, draft)
    url = f"/api/email-batches/{first['id']}"
    for answer in (
        client.delete(url),
        client.put(url, json={"priority": 7}),
        client.put(url, json={"included": False}),
        client.post(f"/api/emails/{draft}/batches", json={"placement_request_id": requests[2]}),
    ):
        assert (answer.status_code, answer.json()["allowed"]) == (409, ["cancel", "claim"])


def test_what_a_template_says_does_not_follow_its_batches(
    client: TestClient, sessions: Sessions, therapist: Therapist, requests: list[int]
) -> None:
    with writing(sessions) as session:
        about = [session.get_one(PlacementRequest, requests[0])]
        email_id = email_about(session, "draft", therapist, about).id
    (batch,) = batches(client, email_id)
    assert client.delete(f"/api/email-batches/{batch['id']}").status_code == 409
    assert client.put(f"/api/email-batches/{batch['id']}", json={"included": False}).status_code == 409


def test_if_match_protects_a_batch(client: TestClient, draft: int) -> None:
    first, _ = batches(client, draft)
    url = f"/api/email-batches/{first['id']}"
    stale = {"If-Match": '"another"'}
    assert client.put(url, json={"priority": 7}, headers=stale).status_code == 412
    assert client.delete(url, headers=stale).status_code == 412
    tag = client.get(url).headers["etag"]
    assert client.put(url, json={"priority": 7}, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"priority": None},
        {"included": None},
        {"included": "false"},
        {"priority": 0},
        {"priority": 10**12},
        {"response_outcome": "maybe"},
        {"response_outcome": ""},
        {"response_notes": "a\x00"},
        {"response_notes": 7},
        {"number": 2},
    ],
)
def test_what_cannot_be_changed_is_422(client: TestClient, draft: int, body: Any) -> None:
    first, _ = batches(client, draft)
    assert client.put(f"/api/email-batches/{first['id']}", json=body).status_code == 422


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_an_unknown_batch_is_404(client: TestClient, method: str) -> None:
    body = {"json": {"priority": 1}} if method == "put" else {}
    assert client.request(method, "/api/email-batches/999999999999", **body).status_code == 404


def test_batches_of_an_unknown_email_are_404(client: TestClient) -> None:
    assert client.get("/api/emails/4711/batches").status_code == 404
    assert client.post("/api/emails/4711/batches", json={"placement_request_id": 1}).status_code == 404


def test_notes_need_the_scope_content(client: TestClient, client_with: Client, draft: int) -> None:
    first, _ = batches(client, draft)
    put(client, first, response_notes="ruft zurück")
    assert "response_notes" not in client_with("read").get(f"/api/email-batches/{first['id']}").json()
    seen = client_with("read", "content").get(f"/api/email-batches/{first['id']}").json()
    assert seen["response_notes"] == "ruft zurück"
    assert put(client, first, response_notes=None)["response_notes"] is None


# answers


def test_an_outcome_closes_the_request_and_is_published_once(
    client: TestClient, sessions: Sessions, sent: int, requests: list[int]
) -> None:
    first, _ = batches(client, sent)
    shown = put(client, first, response_outcome="rejected", response_notes="kein Platz", priority=1, included=True)
    assert (shown["response_outcome"], shown["response_notes"]) == ("rejected", "kein Platz")
    assert shown["responded_at"]
    put(client, first, response_outcome="rejected")
    whole = client.get(f"/api/emails/{sent}").json()
    assert (whole["response_received"], bool(whole["rejected_on"])) == (True, True)
    with reading(sessions) as session:
        assert statuses(session, *requests[:2]) == ["rejected", "in_progress"]
        said = [payload for kind, payload in events(session) if kind == "response_recorded"]
    assert [(p["placement_request_id"], p["outcome"]) for p in said] == [(requests[0], "rejected")]


def test_only_an_email_that_was_sent_is_answered(client: TestClient, draft: int) -> None:
    first, _ = batches(client, draft)
    answer = client.put(f"/api/email-batches/{first['id']}", json={"response_outcome": "accepted"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:comms:conflict")


def test_a_request_that_left_its_email_is_not_answered_there(client: TestClient, sessions: Sessions, sent: int) -> None:
    first, _ = batches(client, sent)
    with writing(sessions) as session:
        session.get_one(EmailBatch, first["id"]).live = False
        session.flush()
        session.get_one(EmailBatch, first["id"]).included = False
    answer = client.put(f"/api/email-batches/{first['id']}", json={"response_outcome": "accepted"})
    assert (answer.status_code, "taken out" in answer.json()["detail"]) == (409, True)


def test_an_outcome_that_is_refused_leaves_no_note_behind(client: TestClient, draft: int) -> None:
    first, _ = batches(client, draft)
    body = {"response_outcome": "accepted", "response_notes": "x"}
    client.put(f"/api/email-batches/{first['id']}", json=body)
    assert batches(client, draft)[0]["response_notes"] is None


@pytest.mark.parametrize("outcome", ["rejected", "accepted", "needs_follow_up"])
def test_an_outcome_that_is_taken_back_leaves_the_request_waiting_for_one(
    client: TestClient, sessions: Sessions, sent: int, requests: list[int], outcome: str
) -> None:
    first, _ = batches(client, sent)
    put(client, first, response_outcome=outcome)
    shown = put(client, first, response_outcome=None)
    assert (shown["response_outcome"], shown["responded_at"]) == (None, None)
    whole = client.get(f"/api/emails/{sent}").json()
    assert (whole["response_received"], whole["rejected_on"]) == (True, None)
    with reading(sessions) as session:
        assert statuses(session, requests[0]) == ["in_progress"]
        assert session.get_one(EmailBatch, first["id"]).live
        about = {
            reason for kind, id_, reason in staff_items(session) if (kind, id_) == ("placement_request", requests[0])
        }
        assert about == {"outcome_missing"}
        assert events(session)[-1][1]["outcome"] is None
    put(client, first, response_outcome="rejected")
    with reading(sessions) as session:
        assert statuses(session, requests[0]) == ["rejected"]


def test_taking_back_what_was_never_said_changes_nothing(client: TestClient, sessions: Sessions, sent: int) -> None:
    first, _ = batches(client, sent)
    put(client, first, response_outcome=None)
    assert client.get(f"/api/emails/{sent}").json()["response_received"] is False
    with reading(sessions) as session:
        assert events(session) == []


def test_an_acceptance_that_is_taken_back_lets_the_patients_other_requests_wait_again(
    client: TestClient, sessions: Sessions, therapist: Therapist
) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        asked, other = (
            make_request(session, therapist, patient),
            make_request(session, make_therapist(session), patient),
        )
        email_id = email_about(session, "sent", therapist, [asked]).id
    (batch,) = batches(client, email_id)
    put(client, batch, response_outcome="accepted")
    with reading(sessions) as session:
        assert statuses(session, other.id) == ["withdrawn"]
    put(client, batch, response_outcome=None)
    with reading(sessions) as session:
        assert statuses(session, asked.id, other.id) == ["in_progress", "open"]


def test_what_the_platform_closed_stays_closed_when_an_outcome_is_taken_back(
    client: TestClient, sessions: Sessions, sent: int, requests: list[int]
) -> None:
    first, _ = batches(client, sent)
    put(client, first, response_outcome="needs_follow_up")
    with writing(sessions) as session:
        withdraw_requests(session, requests[:1], NOW, "withdrawn_by_platform")
    put(client, first, response_outcome=None)
    with reading(sessions) as session:
        assert statuses(session, requests[0]) == ["withdrawn"]
        assert not session.get_one(EmailBatch, first["id"]).live


def test_an_outcome_is_not_taken_back_while_a_call_knows_one_too(
    client: TestClient, sessions: Sessions, sent: int, therapist: Therapist, requests: list[int]
) -> None:
    first, _ = batches(client, sent)
    put(client, first, response_outcome="rejected")
    with writing(sessions) as session:
        call = call_about(session, therapist.id, requests[0])
        place = session.scalars(select(PhoneCallBatch).where(PhoneCallBatch.phone_call_id == call.id)).one()
        place.live, place.outcome = False, "rejected"
    answer = client.put(f"/api/email-batches/{first['id']}", json={"response_outcome": None})
    assert (answer.status_code, "another email or call" in answer.json()["detail"]) == (409, True)
    assert batches(client, sent)[0]["response_outcome"] == "rejected"


def test_a_draft_dies_with_its_request_because_a_person_wrote_its_words(
    client: TestClient, sessions: Sessions, draft: int, requests: list[int]
) -> None:
    with writing(sessions) as session:
        withdraw_requests(session, requests[:1], NOW, "withdrawn_by_platform")
    with reading(sessions) as session:
        assert session.get_one(Email, draft).status == "canceled"
        assert request_ids(session, session.get_one(Email, draft)) == requests[:2]
