"""What comes back, over HTTP: answers, their corrections, and the letters that follow them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from comms.store.engines import clock
from comms.store.models import Email, EmailBatch
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client
from tests.factories import make_patient, make_request, make_therapist
from tests.services.email_rows import audited, call_about, email_about, email_in, event_types, request_ids, statuses

DATABASES = ("sqlite",)


@pytest.fixture
def now(sessions: Sessions) -> datetime:
    with reading(sessions) as session:
        return clock(session)


@pytest.fixture
def asked(sessions: Sessions, now: datetime) -> tuple[int, list[int]]:
    """A sent email about two patients, and its requests."""
    return sent(sessions, now, patients=2)


def sent(sessions: Sessions, now: datetime, patients: int = 1, days: int = 1) -> tuple[int, list[int]]:
    at = now - timedelta(days=days)
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=patients, sent_at=at, handed_over_at=at, created_at=at)
        return email.id, request_ids(session, email)


def put(client: TestClient, email_id: int, **fields: Any) -> Any:
    return client.put(f"/api/emails/{email_id}", json=fields)


def respond(client: TestClient, email_id: int, **fields: Any) -> Any:
    return client.post(f"/api/emails/{email_id}/response", json=fields)


def entries(*pairs: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"placement_request_id": id_, "outcome": outcome} for id_, outcome in pairs]


# the answer to an email as a whole


def test_an_answer_is_recorded_without_outcomes(client: TestClient, asked: tuple[int, list[int]]) -> None:
    email_id, _ = asked
    answer = put(client, email_id, response_received=True, response_content="Ich melde mich.")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["response_received"], body["response_content"]) == (True, "Ich melde mich.")
    assert body["response_date"] is not None


def test_the_same_put_twice_has_one_effect(
    client: TestClient, asked: tuple[int, list[int]], sessions: Sessions, now: datetime
) -> None:
    email_id, _ = asked
    fields = {"response_received": True, "response_date": now.isoformat(), "response_content": "ja", "status": "sent"}
    first, second = (put(client, email_id, **fields, follow_up_notes="nachhaken") for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)
    with reading(sessions) as session:
        assert event_types(session) == ["response_recorded"]
        assert [action for _, action, _ in audited(session) if action.startswith("email.")] == [
            "email.respond",
            "email.note",
        ]
        assert session.scalar(select(Email.version)) == 3


def test_only_what_is_sent_changes_and_null_clears(client: TestClient, asked: tuple[int, list[int]]) -> None:
    email_id, _ = asked
    put(client, email_id, response_received=True, response_content="ja", follow_up_required=True, follow_up_notes="x")
    body = put(client, email_id, follow_up_notes=None).json()
    assert (body["response_content"], body["follow_up_required"], body["follow_up_notes"]) == ("ja", True, None)
    assert put(client, email_id, response_content=None).json()["response_content"] is None


@pytest.mark.parametrize("field", ["status", "response_received", "follow_up_required"])
def test_what_cannot_be_null_is_422(client: TestClient, asked: tuple[int, list[int]], field: str) -> None:
    answer = put(client, asked[0], **{field: None})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, f"body.{field}")


def test_an_answer_is_never_without_a_date(client: TestClient, asked: tuple[int, list[int]]) -> None:
    answer = put(client, asked[0], response_received=True, response_date=None)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.response_date")
    assert put(client, asked[0], response_date=None).status_code == 200  # there is none, and there stays none


@pytest.mark.parametrize("days", [-3, 1])
def test_an_answer_comes_neither_before_its_email_nor_tomorrow(
    client: TestClient, asked: tuple[int, list[int]], now: datetime, days: int
) -> None:
    at = (now + timedelta(days=days)).isoformat()
    for answer in (
        put(client, asked[0], response_received=True, response_date=at),
        respond(client, asked[0], response_date=at),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.response_date")


def test_words_of_an_answer_need_an_answer(client: TestClient, asked: tuple[int, list[int]]) -> None:
    answer = put(client, asked[0], response_content="ja")
    assert answer.status_code == 409
    assert "send response_received true" in answer.json()["detail"]
    assert put(client, asked[0], response_received=False, response_content="ja").status_code == 422


def test_an_answer_taken_back_leaves_the_email_unanswered(client: TestClient, asked: tuple[int, list[int]]) -> None:
    email_id, _ = asked
    put(client, email_id, response_received=True, response_content="für jemand anderen")
    body = put(client, email_id, response_received=False).json()
    assert (body["response_received"], body["response_date"], body["response_content"]) == (False, None, None)


def test_an_answer_with_an_outcome_is_not_taken_back(client: TestClient, asked: tuple[int, list[int]]) -> None:
    email_id, (one, _) = asked
    respond(client, email_id, outcomes=entries((one, "rejected")))
    answer = put(client, email_id, response_received=False)
    assert answer.status_code == 409
    assert f"placement request {one}" in answer.json()["detail"]


def test_a_refused_field_undoes_the_others(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        email_id = email_in(session, "queued").id
    answer = put(client, email_id, status="canceled", response_received=True, follow_up_notes="x")
    assert answer.status_code == 409
    body = client.get(f"/api/emails/{email_id}").json()
    assert (body["status"], body["follow_up_notes"]) == ("queued", None)


# status


def test_put_queues_and_cancels_like_the_verbs(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        email_id = email_in(session, "draft").id
    assert put(client, email_id, status="queued").json()["status"] == "queued"
    assert put(client, email_id, status="canceled").json()["status"] == "canceled"
    with reading(sessions) as session:
        assert [action for _, action, _ in audited(session)][-2:] == ["email.queue", "email.cancel"]


def test_put_queues_what_failed_once_more(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        email_id = email_in(session, "failed").id
    assert put(client, email_id, status="queued").json()["status"] == "queued"


@pytest.mark.parametrize(
    ("status", "wanted", "allowed"), [("sent", "bounced", ["bounce"]), ("sent", "queued", ["bounce"])]
)
def test_a_status_that_has_its_verb_is_409_and_names_it(
    client: TestClient, sessions: Sessions, status: str, wanted: str, allowed: list[str]
) -> None:
    with writing(sessions) as session:
        email_id = email_in(session, status).id
    answer = put(client, email_id, status=wanted)
    assert (answer.status_code, answer.json()["allowed"]) == (409, allowed)


def test_a_word_that_is_no_status_is_422(client: TestClient, asked: tuple[int, list[int]]) -> None:
    assert put(client, asked[0], status="flying").status_code == 422


def test_the_contact_rule_holds_for_put(client: TestClient, sessions: Sessions, now: datetime) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email_in(session, "sent", therapist=therapist, sent_at=now, handed_over_at=now)
        draft = email_in(session, "draft", therapist=therapist).id
    answer = put(client, draft, status="queued")
    assert (answer.status_code, answer.json()["reason"]) == (409, "contacted_recently")


# answers for each request


def test_a_response_answers_with_batches_and_what_is_missing(
    client: TestClient, asked: tuple[int, list[int]], sessions: Sessions
) -> None:
    email_id, (one, two) = asked
    outcomes = [{"placement_request_id": one, "outcome": "accepted", "notes": "ab März"}]
    body = respond(client, email_id, outcomes=outcomes).json()
    assert (body["id"], body["missing"], body["placed_elsewhere"]) == (email_id, [two], [])
    assert [(b["placement_request_id"], b["response_outcome"], b["response_notes"]) for b in body["batches"]] == [
        (one, "accepted", "ab März"),
        (two, None, None),
    ]
    with reading(sessions) as session:
        assert statuses(session, one, two) == ["accepted", "in_progress"]


def test_what_people_said_needs_the_scope_content(
    client: TestClient, client_with: Client, asked: tuple[int, list[int]]
) -> None:
    email_id, (one, _) = asked
    outcomes = [{"placement_request_id": one, "outcome": "accepted", "notes": "geheim"}]
    answer = respond(client_with("read", "write"), email_id, outcomes=outcomes, response_content="geheim")
    assert answer.status_code == 200
    assert "geheim" not in answer.text
    assert "response_notes" not in answer.json()["batches"][0]


def test_one_outcome_for_all_leaves_out_those_that_are_named(client: TestClient, asked: tuple[int, list[int]]) -> None:
    email_id, (one, _) = asked
    body = respond(client, email_id, outcomes=entries((one, "accepted")), outcome_for_all="rejected").json()
    assert [b["response_outcome"] for b in body["batches"]] == ["accepted", "rejected"]
    assert body["missing"] == []


def test_an_answer_is_corrected_by_sending_it_again(
    client: TestClient, asked: tuple[int, list[int]], sessions: Sessions
) -> None:
    email_id, (one, two) = asked
    respond(client, email_id, outcome_for_all="rejected", response_content="nein")
    body = respond(client, email_id, outcomes=entries((two, "needs_follow_up"))).json()
    assert body["rejected_on"] is None
    assert body["response_content"] == "nein"
    with reading(sessions) as session:
        assert statuses(session, one, two) == ["rejected", "in_progress"]


def test_entries_that_cannot_be_meant_are_named_by_their_place(
    client: TestClient, asked: tuple[int, list[int]], sessions: Sessions
) -> None:
    email_id, (one, _) = asked
    answer = respond(client, email_id, outcomes=entries((one, "accepted"), (one, "rejected"), (999_999, "rejected")))
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [
        ("body.outcomes.1.placement_request_id", "twice"),
        ("body.outcomes.2.placement_request_id", "not_in_this_email"),
    ]
    with reading(sessions) as session:
        assert event_types(session) == []


def test_a_patient_with_two_places_is_told(client: TestClient, sessions: Sessions, now: datetime) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        requests = [make_request(session, make_therapist(session), patient) for _ in range(2)]
        emails = [email_about(session, "sent", make_therapist(session), [request]).id for request in requests]
    respond(client, emails[0], outcome_for_all="accepted")
    assert respond(client, emails[1], outcome_for_all="accepted").json()["placed_elsewhere"] == [requests[1].id]


def test_an_answer_cancels_the_call_and_is_published(
    client: TestClient, asked: tuple[int, list[int]], sessions: Sessions
) -> None:
    email_id, (one, two) = asked
    with writing(sessions) as session:
        call_about(session, session.get_one(Email, email_id).therapist_id, one, email_id)
    respond(client, email_id, outcome_for_all="rejected")
    with reading(sessions) as session:
        assert event_types(session) == ["call_canceled", "response_recorded", "response_recorded"]
        assert statuses(session, one, two) == ["rejected", "rejected"]
        assert session.scalar(select(Email.rejected_on)) is not None


@pytest.mark.parametrize("status", ["draft", "queued", "failed"])
def test_what_was_not_sent_cannot_be_answered(client: TestClient, sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        email_id = email_in(session, status).id
    assert respond(client, email_id, outcome_for_all="rejected").status_code == 409
    assert respond(client, 999_999, outcome_for_all="rejected").status_code == 404


# confirmations and reminders


def test_a_confirmation_is_made_once(client: TestClient, asked: tuple[int, list[int]], sessions: Sessions) -> None:
    email_id, (one, _) = asked
    assert client.post(f"/api/emails/{email_id}/confirmation").status_code == 409
    respond(client, email_id, outcomes=entries((one, "accepted")))
    made = client.post(f"/api/emails/{email_id}/confirmation")
    assert made.status_code == 201, made.text
    body = client.get(made.headers["location"]).json()
    assert (body["template"], body["status"], body["replies_to_email_id"]) == ("confirmation", "queued", email_id)
    assert body["placement_request_ids"] == [one]
    again = client.post(f"/api/emails/{email_id}/confirmation")
    assert again.status_code == 409
    assert f"email {body['id']} " in again.json()["detail"]


def test_a_reminder_obeys_the_contact_rule_unless_it_is_overridden(
    client: TestClient, client_with: Client, asked: tuple[int, list[int]]
) -> None:
    path, override = f"/api/emails/{asked[0]}/reminder", {"override": {"reason": "bat darum"}}
    refused = client.post(path)
    assert (refused.status_code, refused.json()["reason"]) == (409, "contacted_recently")
    assert client_with("write").post(path, json=override).status_code == 403
    made = client_with("write", "override").post(path, json=override)
    assert made.status_code == 201, made.text
    body = client.get(made.headers["location"]).json()
    assert (body["template"], body["replies_to_email_id"], body["override_reason"]) == (
        "follow_up",
        asked[0],
        "bat darum",
    )


def test_the_answer_to_a_reminder_belongs_to_the_first_email(
    client: TestClient, sessions: Sessions, now: datetime
) -> None:
    email_id, _ = sent(sessions, now, days=8)
    made = client.post(f"/api/emails/{email_id}/reminder")
    assert made.status_code == 201, made.text
    answer = put(client, made.json()["id"], response_received=True)
    assert answer.status_code == 409
    assert f"speaks of email {email_id}:" in answer.json()["detail"]


def test_if_match_and_repeats_hold_for_answers(
    client: TestClient, asked: tuple[int, list[int]], sessions: Sessions
) -> None:
    email_id, _ = asked
    tag = client.get(f"/api/emails/{email_id}").headers["etag"]
    headers = {"If-Match": tag, "Idempotency-Key": "once"}
    path, body = f"/api/emails/{email_id}/response", {"outcome_for_all": "rejected"}
    first, second = (client.post(path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)
    assert client.put(f"/api/emails/{email_id}", json={}, headers={"If-Match": tag}).status_code == 412
    with reading(sessions) as session:
        assert set(session.scalars(select(EmailBatch.response_outcome))) == {"rejected"}
        assert event_types(session) == ["response_recorded"] * 2
