"""What every route has: a key, a scope, problems, pages, tags, repeats."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from comms.store.models import OutboxEvent
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client
from tests.factories import make_email, make_request, make_therapist


@pytest.fixture
def email_id(sessions: Sessions) -> int:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        return int(make_email(session, therapist, [make_request(session, therapist)]).id)


def test_nobody_comes_in_without_a_key(client_with: Client) -> None:
    answer = client_with().get("/api/emails")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.json()["type"] == "urn:comms:unauthenticated"


def test_a_key_without_the_scope_is_refused_before_anything_is_read(client_with: Client, email_id: int) -> None:
    answer = client_with("read").post(f"/api/emails/{email_id}/cancel", content=b"{not json")
    assert answer.status_code == 403


def test_what_needs_the_scope_content_is_left_out_without_it(client_with: Client, email_id: int) -> None:
    assert "body_html" not in client_with("read").get(f"/api/emails/{email_id}").json()
    assert "body_html" in client_with("read", "content").get(f"/api/emails/{email_id}").json()


def test_the_state_that_if_match_names_must_be_the_present_one(client: TestClient, email_id: int) -> None:
    tag = client.get(f"/api/emails/{email_id}").headers["etag"]
    stale = client.post(f"/api/emails/{email_id}/cancel", headers={"If-Match": '"another"'})
    assert stale.status_code == 412
    assert client.post(f"/api/emails/{email_id}/cancel", headers={"If-Match": tag}).json()["status"] == "canceled"


def test_the_same_post_with_one_key_has_one_effect_and_one_answer(client: TestClient, email_id: int) -> None:
    headers = {"Idempotency-Key": "once"}
    first, second = (client.post(f"/api/emails/{email_id}/cancel", headers=headers) for _ in range(2))
    assert (first.status_code, first.content, first.headers["etag"]) == (200, second.content, second.headers["etag"])
    assert second.headers["idempotency-replayed"] == "true"
    other = client.post(f"/api/emails/{email_id}/cancel", headers=headers, json={"requests": "withdraw"})
    assert other.status_code == 409


def test_a_move_that_the_state_does_not_allow_is_409_with_the_moves_that_it_does(
    client: TestClient, email_id: int
) -> None:
    client.post(f"/api/emails/{email_id}/cancel")
    answer = client.post(f"/api/emails/{email_id}/cancel")
    assert (answer.status_code, answer.json()["allowed"]) == (409, [])


def test_every_answer_names_its_request_as_the_client_did_or_with_a_number_of_ours(client: TestClient) -> None:
    ours = "4bf92f3577b34da6a3ce929d0e0e4736"
    for path in ("/api/emails", "/api/emails/4711", "/nowhere", "/healthz"):
        assert client.get(path, headers={"X-Request-ID": ours}).headers["x-request-id"] == ours
    drawn = [client.get("/healthz", headers={"X-Request-ID": "Andrea Mueller"}).headers["x-request-id"] for _ in "12"]
    assert len({*drawn, "Andrea Mueller"}) == 3


def test_what_a_request_makes_and_moves_goes_back_to_it(client: TestClient, sessions: Sessions) -> None:
    made, moved = "0" * 31 + "1", "0" * 31 + "2"
    body = {
        "therapist_id": 101, "subject": "Anfrage", "body_html": "<p>Anfrage</p>",
        "recipient_email": "praxis@therapie.example", "recipient_name": "Praxis",
    }  # fmt: skip
    email = client.post("/api/emails", json=body, headers={"X-Request-ID": made}).json()["id"]
    client.post(f"/api/emails/{email}/cancel", headers={"X-Request-ID": moved})
    with reading(sessions) as session:
        query = select(OutboxEvent.correlation_id, OutboxEvent.causation_id).order_by(OutboxEvent.id)
        assert session.execute(query).all() == [(made, made), (made, moved)]


@pytest.mark.parametrize("query", ["colour=red", "status=sent&status=queued", "status=flying", "page=0", "limit=101"])
def test_a_filter_that_is_not_understood_is_422(client: TestClient, query: str) -> None:
    assert client.get(f"/api/emails?{query}").status_code == 422


def test_a_list_is_walked_by_link(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        made = [make_email(session, make_therapist(session)).id for _ in range(5)]
    seen, url = [], "/api/emails?limit=2"
    while url:
        answer = client.get(url)
        seen += [email["id"] for email in answer.json()]
        assert answer.headers["x-total-count"] == "5"
        url = answer.links.get("next", {}).get("url", "")
    assert seen == sorted(made, reverse=True)
