"""Phone calls over HTTP: moved, made, missed, canceled, and what came of each request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from comms.rules.states import Outcome
from comms.services.calls.completing import complete_call
from comms.services.stopping import stop_contacting
from comms.services.withdrawals import withdraw_requests
from comms.store.models import CallCell, PhoneCall, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.api.calls import TUESDAY, Clock, at_berlin, booked, set_clock, therapist, with_requests
from tests.api.conftest import Client
from tests.factories import NOW
from tests.invariants import broken
from tests.services.calls import events, get, key_of

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


# moving


def test_a_call_moves_to_another_time_and_gives_its_slot_back(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00")
    tag = client.get(f"/api/phone-calls/{call['id']}").headers["etag"]
    moved = client.put(f"/api/phone-calls/{call['id']}", json={"scheduled_time": "10:30"}, headers={"If-Match": tag})
    assert (moved.status_code, moved.json()["scheduled_time"]) == (200, "10:30")
    assert moved.headers["etag"] != tag
    assert [name for name, _ in events(sessions, call["id"])] == ["call_scheduled", "call_scheduled"]
    assert booked(client, therapist(sessions), "10:00")["scheduled_time"] == "10:00"
    stale = client.put(f"/api/phone-calls/{call['id']}", json={"notes": "x"}, headers={"If-Match": tag})
    assert stale.status_code == 412


def test_a_call_may_grow_over_its_own_time_but_not_over_another(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00")
    booked(client, therapist(sessions), "10:15")
    path = f"/api/phone-calls/{call['id']}"
    assert client.put(path, json={"duration_minutes": 15}).json()["duration_minutes"] == 15
    assert refusal(client.put(path, json={"duration_minutes": 20})) == (409, "callers_busy")
    with reading(sessions) as session:
        cells = session.scalars(select(CallCell.cell).where(CallCell.phone_call_id == call["id"])).all()
    assert len(cells) == 3


@pytest.mark.parametrize("verb", ["put", "reschedule"])
def test_a_move_has_the_checks_of_a_new_call(client: TestClient, sessions: Sessions, verb: str) -> None:
    call = booked(client, therapist(sessions), "10:00")
    path = f"/api/phone-calls/{call['id']}"
    when = {"scheduled_date": "2026-11-22", "scheduled_time": "10:00"}
    answer = client.put(path, json=when) if verb == "put" else client.post(f"{path}/reschedule", json=when)
    assert refusal(answer) == (409, "in_the_past")
    assert client.get(path).json() == call


def test_without_a_time_it_moves_to_the_next_free_slot_after_its_own(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00")
    booked(client, therapist(sessions), "10:05")
    moved = client.post(f"/api/phone-calls/{call['id']}/reschedule").json()
    assert moved["scheduled_time"] == "10:10"


def test_what_is_over_does_not_move(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00")
    path = f"/api/phone-calls/{call['id']}"
    client.post(f"{path}/miss")
    answer = client.post(f"{path}/reschedule")
    assert (answer.status_code, answer.json()["allowed"]) == (409, ["complete"])
    assert client.put(path, json={"scheduled_time": "12:00"}).status_code == 409


# what came of it


def test_answers_close_requests_and_are_announced(client: TestClient, sessions: Sessions) -> None:
    someone, requests = with_requests(sessions, 2)
    call = booked(client, someone, placement_request_ids=requests)
    answers = [
        {"placement_request_id": requests[0], "outcome": "accepted"},
        {"placement_request_id": requests[1], "outcome": "rejected"},
    ]
    done = client.post(f"/api/phone-calls/{call['id']}/complete", json={"answers": answers, "outcome": "ein Platz"})
    assert (done.json()["status"], done.json()["outcome"]) == ("completed", "ein Platz")
    assert [get(sessions, PlacementRequest, id_).status for id_ in requests] == ["accepted", "rejected"]
    names = [name for name, _ in events(sessions, call["id"])]
    assert names == ["call_scheduled", "response_recorded", "response_recorded", "call_completed"]


def test_an_answer_for_a_stranger_or_two_for_one_is_422(client: TestClient, sessions: Sessions) -> None:
    someone, requests = with_requests(sessions)
    call = booked(client, someone, placement_request_ids=requests)
    one = {"placement_request_id": requests[0], "outcome": "accepted"}
    other = {"placement_request_id": 999999, "outcome": "accepted"}
    for answers in ([one, one], [other]):
        assert client.post(f"/api/phone-calls/{call['id']}/complete", json={"answers": answers}).status_code == 422


def test_a_call_cannot_have_happened_in_the_future(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00")
    when = {"actual_date": TUESDAY, "actual_time": "10:00"}
    for answer in (
        client.post(f"/api/phone-calls/{call['id']}/complete", json=when),
        client.put(f"/api/phone-calls/{call['id']}", json=when | {"status": "completed"}),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.actual_time")


def test_a_missed_call_is_tried_again_also_when_it_is_about_nothing(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00", notes="fragt nach Gruppe")
    missed = client.post(f"/api/phone-calls/{call['id']}/miss", json={"reason": "line_busy"}).json()
    assert (missed["status"], missed["status_reason"], missed["notes"]) == ("failed", "line_busy", "fragt nach Gruppe")
    retry = client.get(f"/api/phone-calls/{missed['retry_id']}").json()
    assert (retry["retry_of_id"], retry["try_number"], retry["kind"]) == (call["id"], 2, "manual")
    assert (retry["scheduled_date"], retry["scheduled_time"]) == ("2026-11-25", "10:00")


def test_a_retry_is_not_before_the_time_that_was_named(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00")
    later = {"status": "failed", "retry_after": "2026-11-27T14:00:00+01:00", "outcome": "Anrufbeantworter"}
    missed = client.put(f"/api/phone-calls/{call['id']}", json=later).json()
    assert (missed["status"], missed["outcome"]) == ("failed", "Anrufbeantworter")
    retry = client.get(f"/api/phone-calls/{missed['retry_id']}").json()
    assert (retry["scheduled_date"], retry["scheduled_time"]) == ("2026-11-27", "14:00")


@pytest.mark.parametrize(("fate", "status"), [("reopen", "open"), ("withdraw", "withdrawn")])
@pytest.mark.parametrize("how", ["delete", "cancel"])
def test_a_canceled_call_says_what_becomes_of_its_requests(
    client: TestClient, sessions: Sessions, how: str, fate: str, status: str
) -> None:
    someone, requests = with_requests(sessions)
    path = f"/api/phone-calls/{booked(client, someone, placement_request_ids=requests)['id']}"
    if how == "delete":
        answer = client.delete(f"{path}?requests={fate}")
    else:
        answer = client.post(f"{path}/cancel", json={"requests": fate, "reason": "Urlaub"})
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert client.get(path).json()["status_reason"] == "canceled_by_staff"
    assert get(sessions, PlacementRequest, requests[0]).status == status
    again = client.delete(path)
    assert (again.status_code, again.json()["allowed"]) == (409, [])


@pytest.mark.parametrize("status", ["completed", "failed", "canceled"])
def test_a_put_of_a_status_goes_the_way_of_its_verb(client: TestClient, sessions: Sessions, status: str) -> None:
    path = f"/api/phone-calls/{booked(client, therapist(sessions), '10:00')['id']}"
    done = client.put(path, json={"status": status, "notes": "kurz"})
    assert (done.status_code, done.json()["status"], done.json()["notes"]) == (200, status, "kurz")
    assert client.put(path, json={"status": status}).json() == done.json()
    assert client.put(path, json={"status": "scheduled"}).status_code == 409


def test_a_whole_call_can_be_put_back_as_it_was_read(client: TestClient, sessions: Sessions, told: Clock) -> None:
    path = f"/api/phone-calls/{booked(client, therapist(sessions), '10:00')['id']}"
    told.now = at_berlin(24, 10, 3) + timedelta(seconds=27)
    client.post(f"{path}/complete", json={"notes": "gut"})
    read = client.get(path).json()
    fields = (
        "scheduled_date", "scheduled_time", "duration_minutes", "actual_date", "actual_time", "status", "outcome",
        "notes", "retry_after",
    )  # fmt: skip
    answer = client.put(path, json={name: read[name] for name in fields})
    assert (answer.status_code, answer.json()) == (200, read)


def test_the_time_of_a_completed_call_can_be_corrected(client: TestClient, sessions: Sessions, told: Clock) -> None:
    someone = therapist(sessions)
    path = f"/api/phone-calls/{booked(client, someone, '10:00')['id']}"
    told.now = at_berlin(24, 15)
    client.post(f"{path}/complete")
    assert client.put(path, json={"actual_time": "14:10"}).json()["actual_at"] == "2026-11-24T13:10:00Z"
    state = key_of(sessions, someone)
    assert state is not None
    assert state.contacted_at == at_berlin(24, 14, 10)


NONSENSE: list[dict[str, Any]] = [
    {"actual_date": TUESDAY},
    {"scheduled_date": None},
    {"status": None},
    {"status": "completed", "scheduled_time": "12:00"},
    {"status": "completed", "retry_after": "2026-11-27T14:00:00+01:00"},
    {"retry_after": "2026-11-27"},
    {"outcome": "x" * 301},
    {"status": "sent"},
    {"id": 7},
]


def test_a_put_that_makes_no_sense_is_422_and_changes_nothing(client: TestClient, sessions: Sessions) -> None:
    call = booked(client, therapist(sessions), "10:00")
    path = f"/api/phone-calls/{call['id']}"
    for body in NONSENSE:
        assert client.put(path, json=body).status_code == 422, body
    assert client.get(path).json() == call


@pytest.mark.parametrize(
    "body",
    [{"actual_date": "2026-11-23", "actual_time": "09:00"}, {"retry_after": "2026-11-27T14:00:00+01:00"}],
)
def test_what_was_not_made_has_no_time_and_no_next_try(
    client: TestClient, sessions: Sessions, body: dict[str, Any]
) -> None:
    path = f"/api/phone-calls/{booked(client, therapist(sessions), '10:00')['id']}"
    assert client.put(path, json=body).status_code == 409


def test_a_next_try_without_a_slot_can_be_postponed(client: TestClient, sessions: Sessions, told: Clock) -> None:
    someone, requests = with_requests(sessions)
    path = f"/api/phone-calls/{booked(client, someone, '10:00', placement_request_ids=requests)['id']}"
    far = {"status": "failed", "retry_after": "2027-02-01T10:00:00+01:00"}
    assert client.put(path, json=far).json()["retry_id"] is None
    assert client.put(path, json={"retry_after": None}).status_code == 422
    sooner = client.put(path, json={"retry_after": "2026-11-26T10:00:00+01:00"}).json()
    assert client.get(f"/api/phone-calls/{sooner['retry_id']}").json()["scheduled_date"] == "2026-11-26"
    assert client.put(path, json={"retry_after": "2026-11-27T10:00:00+01:00"}).status_code == 409


def test_the_same_booking_sent_twice_with_one_key_is_one_call(client: TestClient, sessions: Sessions) -> None:
    someone = therapist(sessions)
    sent = [
        client.post("/api/phone-calls", json={"therapist_id": someone}, headers={"Idempotency-Key": "k"})
        for _ in range(3)
    ]
    assert [answer.status_code for answer in sent] == [201, 201, 201]
    assert len({answer.content for answer in sent}) == 1
    with reading(sessions) as session:
        assert len(session.scalars(select(PhoneCall.id)).all()) == 1


def test_a_therapist_who_objects_is_not_called_although_the_call_is_about_nobody(
    client: TestClient, sessions: Sessions
) -> None:
    someone = therapist(sessions)
    call = booked(client, someone)
    with writing(sessions) as session:
        stop_contacting(session, [someone], NOW, "do_not_contact")
    assert client.get(f"/api/phone-calls/{call['id']}").json()["status"] == "canceled"


# one placement request in one call


def test_an_outcome_of_a_batch_is_an_answer(client: TestClient, sessions: Sessions) -> None:
    someone, requests = with_requests(sessions, 2)
    call = booked(client, someone, placement_request_ids=requests)["id"]
    first, second = client.get(f"/api/phone-calls/{call}/batches").json()
    assert (first["priority"], first["placement_request_id"], first["outcome"]) == (1, requests[0], None)
    path = f"/api/phone-call-batches/{first['id']}"
    assert client.put(path, json={"outcome": "accepted"}).status_code == 409
    assert client.put(path, json={"discussed": True}).json()["discussed"] is True
    client.post(f"/api/phone-calls/{call}/complete")
    answer = client.put(path, json={"outcome": "needs_follow_up", "follow_up_notes": "Rückruf im Januar"})
    assert (answer.json()["follow_up_required"], answer.json()["follow_up_notes"]) == (True, "Rückruf im Januar")
    assert client.put(path, json={"outcome": "rejected"}).json()["follow_up_required"] is False
    assert get(sessions, PlacementRequest, requests[0]).status == "rejected"
    assert client.put(path, json={"outcome": None}).status_code == 422
    assert client.get(f"/api/phone-call-batches/{second['id']}").json()["outcome"] is None


def test_the_notes_of_a_batch_need_the_scope_content(
    client: TestClient, client_with: Client, sessions: Sessions
) -> None:
    someone, requests = with_requests(sessions)
    call = booked(client, someone, placement_request_ids=requests)["id"]
    (batch,) = client.get(f"/api/phone-calls/{call}/batches").json()
    client.put(f"/api/phone-call-batches/{batch['id']}", json={"follow_up_notes": "Rückruf"})
    reader = client_with("read")
    assert "follow_up_notes" not in reader.get(f"/api/phone-call-batches/{batch['id']}").json()
    assert "follow_up_notes" not in reader.get(f"/api/phone-calls/{call}/batches").json()[0]


def test_a_request_that_was_taken_out_gets_no_outcome(client: TestClient, sessions: Sessions) -> None:
    someone, requests = with_requests(sessions, 2)
    call = booked(client, someone, placement_request_ids=requests)["id"]
    with writing(sessions) as session:
        withdraw_requests(session, requests[:1], NOW, "withdrawn_by_platform")
        complete_call(session, call, NOW, actor="test", answers={requests[1]: Outcome.REJECTED})
    out, kept = client.get(f"/api/phone-calls/{call}/batches").json()
    assert (out["included"], kept["included"], kept["outcome"]) == (False, True, "rejected")
    assert client.put(f"/api/phone-call-batches/{out['id']}", json={"outcome": "accepted"}).status_code == 409


def test_an_unknown_batch_is_404(client: TestClient) -> None:
    assert client.get("/api/phone-call-batches/424242").status_code == 404
    assert client.put("/api/phone-call-batches/424242", json={}).status_code == 404
