"""The kill switch over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from comms.rules.replies import Fault, Phase, Reply
from comms.services.pause import sending_paused
from comms.services.sending.channel import let_channel_rest
from comms.store.engines import clock
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item
from tests.api.conftest import Client
from tests.factories import NOW
from tests.services.email_rows import audited, staff_items

DATABASES = ("sqlite",)


def test_a_switch_that_nobody_touched_is_open(client: TestClient) -> None:
    untouched = {"paused": False, "since": None, "by": None, "note": None, "resting_until": None}
    assert client.get("/api/sending").json() == untouched


def test_a_pause_says_since_when_by_whom_and_why(client: TestClient, sessions: Sessions) -> None:
    answer = client.post("/api/sending/pause", json={"reason": "wrong footer"})
    assert (answer.status_code, client.get("/api/sending").json()) == (200, answer.json())
    paused = answer.json()
    assert (paused["paused"], paused["by"][:4], paused["note"]) == (True, "key:", "wrong footer")
    with reading(sessions) as session:
        assert sending_paused(session)
        assert [action for _, action, _ in audited(session) if action != "key.create"] == ["sending.pause"]


def test_resuming_opens_it_and_takes_the_channel_off_the_staff_list(client: TestClient, sessions: Sessions) -> None:
    client.post("/api/sending/pause")
    with writing(sessions) as session:
        raise_item(session, "channel", 0, "channel_misconfigured", NOW)
    assert client.post("/api/sending/resume").json()["paused"] is False
    with reading(sessions) as session:
        assert not sending_paused(session)
        assert staff_items(session) == set()


def test_why_needs_the_scope_content(client_with: Client) -> None:
    answer = client_with("ops").post("/api/sending/pause", json={"reason": "Frau Müller rief an"})
    assert "note" not in answer.json()
    assert "Müller" not in client_with("read").get("/api/sending").text
    assert client_with("read", "content").get("/api/sending").json()["note"] == "Frau Müller rief an"


def test_a_channel_that_rests_says_until_when(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        now = clock(session)
        let_channel_rest(session, Reply(Phase.CONNECT, fault=Fault.REFUSED), now, timedelta(hours=1))
    assert client.get("/api/sending").json()["resting_until"] > now.isoformat()
    with writing(sessions) as session:
        let_channel_rest(session, Reply(Phase.CONNECT, fault=Fault.REFUSED), now, -timedelta(hours=1))
    assert client.get("/api/sending").json()["resting_until"] is None


@pytest.mark.parametrize("scopes", [("read",), ("write",), ("read", "content", "write", "override")])
def test_only_operators_may_touch_it(client_with: Client, scopes: tuple[str, ...]) -> None:
    client = client_with(*scopes)
    assert {client.post(f"/api/sending/{verb}").status_code for verb in ("pause", "resume")} == {403}


def test_the_same_pause_sent_again_after_a_resume_does_not_pause_again(client: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = client.post("/api/sending/pause", headers=headers)
    client.post("/api/sending/resume")
    assert client.post("/api/sending/pause", headers=headers).content == first.content
    assert client.get("/api/sending").json()["paused"] is False


def test_a_body_that_is_not_understood_does_not_pause(client: TestClient) -> None:
    for body in ({"reason": 7}, {"why": "x"}, {"reason": "a\0b"}, {"reason": "x" * 10_001}, []):
        assert client.post("/api/sending/pause", json=body).status_code == 422
    assert client.get("/api/sending").json()["paused"] is False
