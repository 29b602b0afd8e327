"""The timeline of a therapist over HTTP."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from comms.store.models import PlanDecision
from comms.store.session import Sessions, writing
from tests.api.conftest import Client
from tests.factories import NOW, make_request, make_sent_email, make_therapist

DATABASES = ("sqlite",)

URL = "/api/therapists/101/timeline"


@pytest.fixture(autouse=True)
def history(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, id=101)
        for _ in range(2):
            request = make_request(session, therapist)
            answered = {"response_received": True, "response_date": NOW, "response_content": "Leider nein."}
            make_sent_email(session, therapist, [request], at=NOW, **answered)
        session.add(PlanDecision(run_key="run", decided_at=NOW, therapist_id=101, reason="contacted_recently"))


def test_an_unknown_therapist_is_404(client: TestClient) -> None:
    assert client.get("/api/therapists/999/timeline").status_code == 404


def test_it_is_walked_by_link(client: TestClient) -> None:
    seen, url = [], f"{URL}?limit=3"
    while url:
        answer = client.get(url)
        assert (answer.status_code, answer.headers["x-total-count"]) == (200, "9")
        seen += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    assert seen == client.get(f"{URL}?limit=100").json()
    assert client.get(f"{URL}?limit=3&page=2").json() == seen[3:6]


def test_one_kind_is_asked_for(client: TestClient) -> None:
    answer = client.get(f"{URL}?kind=refusal&limit=1")
    ((entry,), total) = answer.json(), answer.headers["x-total-count"]
    assert (entry["event"], entry["code"], entry["times"], total) == ("refused", "contacted_recently", 1, "1")


def test_what_persons_wrote_needs_the_scope_content(client_with: Client) -> None:
    whole = client_with("read", "content").get(f"{URL}?kind=answer").json()
    assert {entry["text"] for entry in whole} == {"Leider nein."}
    assert all("text" not in entry for entry in client_with("read").get(URL).json())


@pytest.mark.parametrize("query", ["kind=emails", "kind=", "limit=0", "cursor=b2xkZXI6MQ==", "status=sent"])
def test_what_is_not_understood_is_422(client: TestClient, query: str) -> None:
    assert client.get(f"{URL}?{query}").status_code == 422
