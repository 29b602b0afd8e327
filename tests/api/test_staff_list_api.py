"""The staff list over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from comms.store.models import Email, StaffItem
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item
from tests.api.conftest import Client
from tests.factories import NOW, make_therapist, number
from tests.services.email_rows import audited, email_in, request_ids, statuses

DATABASES = ("sqlite",)

LONG_AGO = NOW - timedelta(days=300)


@pytest.fixture
def item_id(sessions: Sessions) -> int:
    return raised(sessions)


def raised(sessions: Sessions, reason: str = "email_in_doubt", kind: str = "email", about: int | None = None) -> int:
    with writing(sessions) as session:
        raise_item(session, kind, about or number(), reason, LONG_AGO, details={"attempt": 2})
        return int(session.scalars(select(StaffItem.id).order_by(StaffItem.id.desc())).first() or 0)


def test_each_thing_has_its_reason_since_when_and_the_verb_that_ends_it(client: TestClient, sessions: Sessions) -> None:
    id_ = raised(sessions, about=12)
    assert client.get("/api/staff-list").json() == [
        {
            "id": id_,
            "reason": "email_in_doubt",
            "verb": "resolve",
            "since": LONG_AGO.isoformat().replace("+00:00", "Z"),
            "subject_type": "email",
            "subject_id": 12,
            "therapist_id": None,
            "details": {"attempt": 2},
        }
    ]


def test_the_newest_stands_first_and_pages_are_walked_by_link(client: TestClient, sessions: Sessions) -> None:
    made = [raised(sessions) for _ in range(3)]
    first = client.get("/api/staff-list?limit=2")
    rest = client.get(first.links["next"]["url"])
    assert [item["id"] for item in [*first.json(), *rest.json()]] == made[::-1]
    assert first.headers["x-total-count"] == "3"


def test_every_filter_filters(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session).id
        raise_item(session, "therapist", therapist, "no_slot", LONG_AGO, therapist_id=therapist)
    raised(sessions, "email_failed"), raised(sessions, "tries_used_up", "phone_call")
    for query in ("reason=no_slot", f"therapist_id={therapist}", "subject_type=therapist"):
        assert [item["subject_id"] for item in client.get(f"/api/staff-list?{query}").json()] == [therapist]
    assert client.get(f"/api/staff-list?reason=email_failed&therapist_id={therapist}").json() == []


def test_a_filter_that_is_not_understood_is_422(client: TestClient) -> None:
    for query in ("reason=boredom", "subject_type=cat", "therapist_id=0", "reason="):
        assert client.get(f"/api/staff-list?{query}").status_code == 422


def test_what_is_shown_later_is_not_there_yet(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        later = datetime.now(UTC) + timedelta(days=1)
        raise_item(session, "therapist", 1, "no_slot", LONG_AGO, shown_from=later)
    assert client.get("/api/staff-list").json() == []


def test_what_is_closed_is_off_the_list_and_says_who_closed_it(
    client: TestClient, sessions: Sessions, item_id: int
) -> None:
    closed = client.post(f"/api/staff-list/{item_id}/close").json()
    assert closed["resolved_at"]
    assert closed["resolved_by"].startswith("key:")
    assert client.get("/api/staff-list").json() == []
    assert client.get(f"/api/staff-list/{item_id}").json() == closed
    with reading(sessions) as session:
        assert [(action, actor[:4]) for actor, action, _ in audited(session) if action != "key.create"] == [
            ("staff_list.close", "key:")
        ]


def test_closing_twice_is_refused_for_the_requests_went_another_way(client: TestClient, item_id: int) -> None:
    client.post(f"/api/staff-list/{item_id}/close", json={"requests": "reopen"})
    again = client.post(f"/api/staff-list/{item_id}/close", json={"requests": "withdraw"})
    assert (again.status_code, again.json()["allowed"]) == (409, [])


def test_the_same_close_sent_again_with_its_key_has_the_same_answer(client: TestClient, item_id: int) -> None:
    headers = {"Idempotency-Key": "close"}
    first, second = (client.post(f"/api/staff-list/{item_id}/close", headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)


def test_only_the_state_that_was_seen_is_closed(client: TestClient, item_id: int) -> None:
    tag = client.get(f"/api/staff-list/{item_id}").headers["etag"]
    assert client.post(f"/api/staff-list/{item_id}/close", headers={"If-Match": '"old"'}).status_code == 412
    assert client.post(f"/api/staff-list/{item_id}/close", headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize(("said", "becomes"), [("reopen", "open"), ("withdraw", "withdrawn")])
def test_where_no_call_is_made_the_body_says_what_becomes_of_the_requests(
    client: TestClient, sessions: Sessions, said: str, becomes: str
) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        raise_item(session, "therapist", email.therapist_id, "no_slot", NOW, shown_from=LONG_AGO)
        id_ = session.scalars(select(StaffItem.id)).one()
    client.post(f"/api/staff-list/{id_}/close", json={"requests": said})
    with reading(sessions) as session:
        assert session.get_one(Email, email.id).closed_at is not None
        assert statuses(session, *request_ids(session, email)) == [becomes]


def test_a_body_that_is_not_understood_changes_nothing(client: TestClient, item_id: int) -> None:
    for body in ({"requests": "forget"}, {"requests": None}, {"request": "reopen"}, [], "reopen"):
        assert client.post(f"/api/staff-list/{item_id}/close", json=body).status_code == 422
    assert len(client.get("/api/staff-list").json()) == 1


def test_what_there_is_not_is_404(client: TestClient) -> None:
    assert client.get("/api/staff-list/4711").status_code == 404
    assert client.post("/api/staff-list/4711/close").status_code == 404


def test_reading_is_not_closing(client_with: Client, item_id: int) -> None:
    assert client_with("read").post(f"/api/staff-list/{item_id}/close").status_code == 403
