"""GET /api/plan: what the next batch would do, and why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from fastapi.testclient import TestClient

from api.schemas.plan import RUN_LIMIT
from comms.rules.batching import Waiting
from comms.rules.contact import Reason
from comms.rules.policy import ContactPolicy
from comms.services.planning import plan_next_batch
from comms.services.suppressions import suppress_mailbox
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_patient, make_request, make_sent_email, make_therapist


def plan(client: TestClient, **query: Any) -> Any:
    answer = client.get("/api/plan", params={"at": NOW.isoformat()} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(sessions: Sessions, requests: int = 1, **therapist: Any) -> int:
    with writing(sessions) as session:
        asked = make_therapist(session, **therapist)
        for _ in range(requests):
            make_request(session, asked)
        return int(asked.id)


def test_who_is_written_to_has_a_template_and_requests_in_their_order(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        late, early = (
            make_request(session, therapist, make_patient(session, registered_on=NOW.date() - timedelta(days=days)))
            for days in (10, 90)
        )
    (found,) = plan(client)["therapists"]
    assert (found["therapist_id"], found["allowed"], found["template"]) == (therapist.id, True, "batch_request")
    assert [(r["id"], r["position"]) for r in found["placement_requests"]] == [(early.id, 1), (late.id, 2)]
    assert (found["reason"], found["explanation"], found["next_date"]) == (None, None, None)


def test_who_is_not_has_a_reason_in_words_and_the_day_on_which_it_ends(client: TestClient, sessions: Sessions) -> None:
    id_ = ask(sessions, next_contact_possible=NOW.date() + timedelta(days=9))
    (found,) = plan(client, therapist_id=id_)["therapists"]
    assert (found["allowed"], found["reason"], found["next_date"]) == (False, "cooling_period", "2026-12-02")
    assert found["explanation"] == "declined lately and is left in peace for some weeks"
    assert [r["reason"] for r in found["placement_requests"]] == ["cooling_period"]


def test_what_is_too_much_for_one_email_waits_with_a_reason_of_its_own(client: TestClient, sessions: Sessions) -> None:
    ask(sessions, requests=7)
    (found,) = plan(client)["therapists"]
    assert [r["reason"] for r in found["placement_requests"]] == [None] * 5 + ["beyond_batch_size"] * 2
    assert found["placement_requests"][-1]["explanation"] == "the email is full; goes into the next one"


def test_the_summary_counts_everybody_whatever_is_shown(client: TestClient, sessions: Sessions) -> None:
    ask(sessions, requests=6), ask(sessions), ask(sessions, status="blocked"), ask(sessions, status="blocked")
    found = plan(client, reason="blocked", limit=1)
    assert (found["total"], len(found["therapists"])) == (2, 1)
    assert found["summary"] == {
        "therapists": 4,
        "emails": 2,
        "patients": 6,
        "refused": {"blocked": 2},
        "waiting": {"blocked": 2, "beyond_batch_size": 1},
    }


def test_it_decides_as_the_run_does(client: TestClient, sessions: Sessions) -> None:
    asked = [ask(sessions, requests=count) for count in (1, 3, 6)]
    with writing(sessions) as session:
        therapist = make_therapist(session)
        make_sent_email(session, therapist, [make_request(session, therapist)], at=NOW)
        make_request(session, therapist)
        suppress_mailbox(session, f"praxis{asked[0]}@therapie.example", NOW, "test")
    with reading(sessions) as session:
        decided = plan_next_batch(session, NOW, ContactPolicy(), limit=RUN_LIMIT)
    found = plan(client)["therapists"]
    assert [(t["therapist_id"], t["reason"]) for t in found] == [(d.therapist_id, d.verdict.reason) for d in decided]
    assert [[(r["id"], r["position"], r["reason"]) for r in t["placement_requests"]] for t in found] == [
        [(fate.request_id, fate.position, fate.reason) for fate in d.fates] for d in decided
    ]


def test_a_therapist_shown_alone_still_shares_the_mailbox_with_the_others(
    client: TestClient, sessions: Sessions
) -> None:
    shared = {"email": "praxis@therapie.example", "mailbox": "praxis@therapie.example"}
    _, second = ask(sessions, **shared), ask(sessions, **shared)
    (found,) = plan(client, therapist_id=second)["therapists"]
    assert found["reason"] == "mailbox_contacted_recently"


def test_a_smaller_run_leaves_the_rest_beyond_its_limit(client: TestClient, sessions: Sessions) -> None:
    ask(sessions), ask(sessions)
    assert [t["reason"] for t in plan(client, run_limit=1)["therapists"]] == [None, "beyond_run_limit"]


def test_each_therapist_is_on_exactly_one_page_and_all_pages_are_as_of_one_instant(
    client: TestClient, sessions: Sessions
) -> None:
    asked = [ask(sessions) for _ in range(5)]
    seen, instants, url = [], set(), "/api/plan?limit=2"
    while url:
        answer = client.get(url)
        assert answer.headers["x-total-count"] == "5"
        seen += [therapist["therapist_id"] for therapist in answer.json()["therapists"]]
        instants.add(answer.json()["at"])
        url = answer.links.get("next", {}).get("url", "")
    assert (sorted(seen), len(instants)) == (asked, 1)
    back = answer.links["prev"]["url"]
    assert [t["therapist_id"] for t in client.get(back).json()["therapists"]] == seen[2:4]


def test_a_page_behind_the_last_is_empty(client: TestClient, sessions: Sessions) -> None:
    ask(sessions)
    answer = client.get("/api/plan?page=99999999999")
    assert (answer.status_code, answer.json()["therapists"], answer.headers["x-total-count"]) == (200, [], "1")
    assert "link" not in answer.headers


def test_nobody_is_named_in_it(client: TestClient, sessions: Sessions) -> None:
    ask(sessions, last_name="Özdemir-Kraft", email="kraft@therapie.example")
    shown = client.get("/api/plan").text
    assert "zdemir" not in shown
    assert "@" not in shown


def test_what_cannot_be_asked_is_422(client: TestClient) -> None:
    for query in (
        "at=2026-11-23", "at=2026-11-23T01:00:00", "at=0001-01-01T00:00:00Z", "at=9999-12-31T23:59:59Z",
        "at=1999-12-31T23:59:59Z", "reason=rain", "reason=", "run_limit=0", "limit=101", "therapist_id=1e3", "cursor=a",
    ):  # fmt: skip
        assert client.get(f"/api/plan?{query}").status_code == 422, query


def test_an_instant_may_have_any_offset(client: TestClient) -> None:
    assert plan(client, at="2026-11-24T01:00:00+01:00")["at"] == "2026-11-24T00:00:00Z"


def test_the_filter_knows_every_reason_of_the_rules(client: TestClient) -> None:
    for reason in (*Reason, *Waiting):
        assert plan(client, reason=reason.value)["total"] == 0


def test_the_run_limit_is_the_one_of_the_nightly_run() -> None:
    deployments = yaml.safe_load(Path("prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    (nightly,) = (deployment for deployment in deployments if deployment["name"] == "daily-batch")
    assert nightly["parameters"]["limit"] == RUN_LIMIT
