"""Lists walked by Link: every older row exactly once while rows are added, back again, and with the same filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from comms.rules.scopes import Scope
from comms.store.models import Email, EmailBatch, PhoneCall, Suppression, Therapist
from comms.store.session import Sessions, writing
from comms.store.staff import raise_item
from tests.api.conftest import make_key
from tests.api.operations import LISTS, Operation, named
from tests.factories import NOW, make_email, make_patient, make_request, make_sent_email, make_therapist, number
from tests.servers.api import serving

LIMIT = 7
LONG_AGO = NOW - timedelta(days=300)
each_list = pytest.mark.parametrize("operation", LISTS, ids=named)


def add_batch(session: Session, email_id: int) -> int:
    email = session.get(Email, email_id) or make_email(session, make_therapist(session))
    request = make_request(session, session.get_one(Therapist, email.therapist_id))
    place = {"email_id": email.id, "placement_request_id": request.id, "therapist_id": email.therapist_id}
    session.add(EmailBatch(**place, priority=number(), number=number(), created_at=NOW))
    return email.id


def add_to_timeline(session: Session, therapist_id: int) -> int:
    therapist = session.get(Therapist, therapist_id) or make_therapist(session)
    make_sent_email(session, therapist, at=LONG_AGO + timedelta(hours=number()))
    return therapist.id


def add_call(session: Session, _: int) -> int:
    times = {"starts_at": NOW, "created_at": NOW, "updated_at": NOW, "duration_minutes": 5}
    session.add(PhoneCall(therapist_id=make_therapist(session).id, caller=1, kind="manual", status="canceled", **times))
    return 0


def add_suppression(session: Session, _: int) -> int:
    session.add(Suppression(mailbox=f"m{number()}@therapie.example", created_by="test", created_at=NOW))
    return 0


ADD: dict[str, Callable[[Session, int], object]] = {
    "listEmails": lambda session, _: make_email(session, make_therapist(session)),
    "listEmailBatches": add_batch,
    "listPatients": lambda session, _: make_patient(session),
    "listPhoneCalls": add_call,
    "listTherapists": lambda session, _: make_therapist(session),
    "listPlacementRequests": lambda session, _: make_request(session, make_therapist(session)),
    "listStaffItems": lambda session, _: raise_item(session, "email", number(), "email_failed", LONG_AGO),
    "listSuppressions": add_suppression,
    "getTherapistTimeline": add_to_timeline,
}
"""By list: adds a row to what the id in its path names, or to a new one; returns that id where there is one."""


def add(sessions: Sessions, operation: Operation, count: int, parent: int = 0) -> int:
    with writing(sessions) as session:
        for _ in range(count):
            made = ADD[operation.id](session, parent)
            parent = made if isinstance(made, int) else parent
    return parent


def walk(client: Any, url: str, relation: str = "next") -> Iterator[Any]:
    """The answers from `url` on, along the links."""
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        yield answer
        url = answer.links.get(relation, {}).get("url", "")


def things(answers: list[Any]) -> list[str]:
    """What was seen, in order."""
    return [str(thing) for answer in answers for thing in answer.json()]


@each_list
def test_there_and_back_shows_every_row_once(client: TestClient, sessions: Sessions, operation: Operation) -> None:
    url = operation.url(add(sessions, operation, 2 * LIMIT + 3))
    whole = things([client.get(f"{url}?limit=100")])
    there = list(walk(client, f"{url}?limit={LIMIT}"))
    assert things(there) == whole
    assert len(set(whole)) == len(whole) >= 2 * LIMIT + 3
    assert {answer.headers["x-total-count"] for answer in there} == {str(len(whole))}
    assert "prev" not in there[0].links
    back = list(walk(client, there[-1].links["prev"]["url"], "prev"))
    assert things(back[::-1]) == whole[: -len(there[-1].json())]


@each_list
def test_rows_that_are_added_between_two_pages_shift_nothing(
    client: TestClient, sessions: Sessions, operation: Operation
) -> None:
    parent = add(sessions, operation, 2 * LIMIT + 3)
    url = operation.url(parent)
    older = things([client.get(f"{url}?limit=100")])
    seen = []
    for answer in walk(client, f"{url}?limit={LIMIT}"):
        seen += things([answer])
        add(sessions, operation, 3, parent)
    assert [thing for thing in seen if thing in set(older)] == older
    assert len(set(seen)) == len(seen)


@pytest.mark.slow
def test_five_hundred_added_at_the_same_time_hide_no_older_one(app: FastAPI, sessions: Sessions) -> None:
    listed = next(operation for operation in LISTS if operation.id == "listEmails")
    add(sessions, listed, 100)
    adding = Thread(target=lambda: [add(sessions, listed, 1) for _ in range(500)])
    headers = {"Authorization": f"Bearer {make_key(sessions, Scope.READ)}"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        older = [email["id"] for email in client.get("/api/emails?limit=100").json()]
        adding.start()
        scans = [scan(client)]
        while adding.is_alive():
            scans.append(scan(client))
        adding.join()
        assert len(scan(client)) == 600
    assert all([id_ for id_ in seen if id_ in set(older)] == older for seen in scans)
    assert all(seen == sorted(set(seen), reverse=True) for seen in scans)
    assert len(scans[0]) < 600 or len(scans) == 1


def scan(client: httpx.Client) -> list[int]:
    return [email["id"] for answer in walk(client, f"/api/emails?limit={LIMIT * 3}") for email in answer.json()]


@each_list
def test_filters_and_the_limit_are_kept_in_the_links(
    client: TestClient, sessions: Sessions, operation: Operation
) -> None:
    kept = {"limit": "1"} | KEPT.get(operation.id, {})
    answer = client.get(operation.url(add(sessions, operation, 3)), params=kept)
    assert dict(httpx.URL(answer.links["next"]["url"]).params).items() > kept.items()
    assert {"page", "limit", "cursor"} & set(httpx.URL(answer.links["next"]["url"]).params) == {"limit", "cursor"}


KEPT = {
    "listEmails": {"status": "queued", "response_received": "false"},
    "listPatients": {"insurance_kind": "statutory", "open_to_group_therapy": "false"},
    "listPhoneCalls": {"status": "canceled", "kind": "manual"},
    "listPlacementRequests": {"status": "open"},
    "listStaffItems": {"reason": "email_failed"},
    "listTherapists": {"last_name": "Müller", "land": "BE"},
    "getTherapistTimeline": {"kind": "email"},
}


@each_list
def test_a_cursor_that_is_broken_or_of_another_list_is_refused(
    client: TestClient, sessions: Sessions, operation: Operation
) -> None:
    url = operation.url(add(sessions, operation, 3))
    cursor = httpx.URL(client.get(f"{url}?limit=1").links["next"]["url"]).params["cursor"]
    assert client.get(url, params={"cursor": cursor}).status_code == 200
    broken = [cursor[:-1], cursor[1:], cursor + "=", cursor + "A", cursor.swapcase(), cursor[::-1]]
    assert {client.get(url, params={"cursor": wrong}).status_code for wrong in broken} == {422}
    other = next(one for one in LISTS if one is not operation and not one.ids)
    assert client.get(other.url(), params={"cursor": cursor}).status_code == 422
    assert client.get(url, params={"cursor": cursor, "page": 1}).status_code == 422


@each_list
def test_pages_by_number_stay_for_existing_clients(
    client: TestClient, sessions: Sessions, operation: Operation
) -> None:
    url = operation.url(add(sessions, operation, 5))
    whole = things([client.get(f"{url}?limit=100")])
    pages = [client.get(f"{url}?limit=2&page={page}") for page in range(1, len(whole) // 2 + 2)]
    assert things(pages) == whole
