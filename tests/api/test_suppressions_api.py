"""Mailboxes that must never be written to, over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from comms.rules.addresses import mailbox
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client
from tests.factories import make_therapist
from tests.services.email_rows import audited, email_in, fresh, request_ids, statuses

BOX = "praxis@therapie.example"


def add(client: TestClient, address: str = BOX, **more: str) -> int:
    answer = client.post("/api/suppressions", json={"address": address} | more)
    assert answer.status_code in (200, 201), answer.text
    return int(answer.json()["id"])


def test_a_new_one_has_its_place_and_says_who_made_it(client: TestClient) -> None:
    answer = client.post("/api/suppressions", json={"address": "Praxis+info@Therapie.example", "reason": "by phone"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["mailbox"], made["reason"], made["created_by"][:4]) == (BOX, "by phone", "key:")
    there = client.get(answer.headers["location"])
    assert (there.json(), there.headers["etag"]) == (made, answer.headers["etag"])


def test_a_known_one_is_200_and_the_first_reason_stands(client: TestClient, sessions: Sessions) -> None:
    id_ = add(client, reason="by phone")
    again = client.post("/api/suppressions", json={"address": BOX.upper(), "reason": "another"})
    assert (again.status_code, again.json()["id"], again.json()["reason"]) == (200, id_, "by phone")
    with reading(sessions) as session:
        assert [action for _, action, _ in audited(session) if action != "key.create"] == ["suppression.add"]


def test_what_waits_for_the_mailbox_is_canceled_and_its_requests_are_open_again(
    client: TestClient, sessions: Sessions
) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, email="Praxis@Therapie.example", mailbox=BOX)
        email = email_in(session, "queued", therapist=therapist)
    add(client)
    with reading(sessions) as session:
        assert fresh(session, session.merge(email)).status_reason == "suppressed_mailbox"
        assert statuses(session, *request_ids(session, email)) == ["open"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("praxis@therapie.example", "PRAXIS+x@THERAPIE.EXAMPLE."),
        ("praxis@bücher.example", "praxis@xn--bcher-kva.example"),
        ("müller@therapie.example", "MÜLLER@therapie.example"),
        ("stra\N{LATIN SMALL LETTER SHARP S}e@therapie.example", "STRASSE@therapie.example"),
    ],
)
def test_every_spelling_is_one_mailbox(client: TestClient, written: str, asked: str) -> None:
    id_ = add(client, written)
    assert [item["id"] for item in client.get("/api/suppressions", params={"mailbox": asked}).json()] == [id_]
    assert add(client, asked) == id_
    assert client.delete("/api/suppressions", params={"address": asked}).status_code == 204
    assert client.get("/api/suppressions").json() == []


NO_ADDRESSES = [
    "", "praxis", "@therapie.example", "praxis@", "a b@therapie.example", "a@x.example,b@y.example",
    "a@x.example;b@y.example", "a@x.example b@y.example", "Praxis <praxis@therapie.example>", "mailto:a@x.example",
    "a@x.example\r\nBcc: b@y.example", "a\0b@x.example", "x" * 400 + "@t.example", "ß" * 160 + "@t.example",
]  # fmt: skip


def test_what_is_not_one_address_is_422_and_is_not_repeated(client: TestClient) -> None:
    for text in NO_ADDRESSES:
        for answer in (
            client.post("/api/suppressions", json={"address": text}),
            client.delete("/api/suppressions", params={"address": text}),
            client.get("/api/suppressions", params={"mailbox": text}),
        ):
            assert answer.status_code == 422, text
            assert len(text) < 10 or text not in answer.json()["detail"]
    assert client.get("/api/suppressions").json() == []


def test_a_body_that_is_not_understood_is_422(client: TestClient) -> None:
    for body in ({}, {"address": None}, {"address": 7}, {"address": [BOX]}, {"address": BOX, "why": "x"}, []):
        assert client.post("/api/suppressions", json=body).status_code == 422, body


def test_a_mailbox_is_allowed_again_by_id_once(client: TestClient, sessions: Sessions) -> None:
    id_ = add(client)
    assert client.delete(f"/api/suppressions/{id_}").status_code == 204
    assert client.delete(f"/api/suppressions/{id_}").status_code == 404
    assert client.get(f"/api/suppressions/{id_}").status_code == 404
    with reading(sessions) as session:
        done = [(action, about) for _, action, about in audited(session) if action != "key.create"]
    assert done == [("suppression.add", id_), ("suppression.remove", id_)]


def test_removing_one_that_there_is_not_is_404_without_the_address(client: TestClient) -> None:
    answer = client.delete("/api/suppressions", params={"address": BOX})
    assert (answer.status_code, BOX in answer.text) == (404, False)


def test_removing_without_saying_which_removes_nothing(client: TestClient) -> None:
    add(client)
    assert client.delete("/api/suppressions").status_code == 422
    assert len(client.get("/api/suppressions").json()) == 1


def test_only_the_state_that_was_seen_is_removed(client: TestClient) -> None:
    id_ = add(client)
    stale = client.delete(f"/api/suppressions/{id_}", headers={"If-Match": '"old"'})
    assert stale.status_code == 412
    tag = client.get(f"/api/suppressions/{id_}").headers["etag"]
    assert client.delete(f"/api/suppressions/{id_}", headers={"If-Match": tag}).status_code == 204


def test_reasons_need_the_scope_content(client: TestClient, client_with: Client) -> None:
    id_ = add(client, reason="by phone")
    for url in ("/api/suppressions", f"/api/suppressions/{id_}"):
        assert "by phone" not in client_with("read").get(url).text
        assert "by phone" in client_with("read", "content").get(url).text


def test_the_newest_stands_first_and_pages_are_walked_by_link(client: TestClient) -> None:
    made = [add(client, f"praxis{number}@therapie.example") for number in range(3)]
    first = client.get("/api/suppressions?limit=2")
    rest = client.get(first.links["next"]["url"])
    assert [item["id"] for item in [*first.json(), *rest.json()]] == made[::-1]


def test_ten_at_once_make_one(client: TestClient) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: client.post("/api/suppressions", json={"address": BOX}), range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.content for answer in answers}) == 1


def test_the_list_shows_mailboxes_normalised(client: TestClient) -> None:
    add(client, "Müller+x@XN--BCHER-KVA.example")
    assert client.get("/api/suppressions").json()[0]["mailbox"] == mailbox("müller@bücher.example")
