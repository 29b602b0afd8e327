"""The same POST more than once: after an answer, at the same time, after a crash. One effect, one answer for all."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update

from comms.rules.scopes import Scope
from comms.services.repeats import KEPT
from comms.store.models import AuditEntry, Email, IdempotencyAnswer
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client, make_key
from tests.api.operations import GUARDED, Operation, named
from tests.api.world import BY_ID, World
from tests.servers.api import server_process, serving

POSTS = [operation for operation in GUARDED if operation.method == "POST"]
AT_ONCE = [operation for operation in POSTS if "201" in operation.words["responses"]]
AT_ONCE += [BY_ID[name] for name in ("queueEmail", "recordResponse", "reschedulePhoneCall")]
ONCE = {"Idempotency-Key": "once"}
CREATE = BY_ID["createEmail"]


@pytest.fixture
def world(client: TestClient, sessions: Sessions) -> World:
    return World(client, sessions)


def audited(sessions: Sessions) -> Counter[tuple[str, str, int | None]]:
    """Everything that was done, and how often."""
    with reading(sessions) as session:
        rows = session.execute(select(AuditEntry.action, AuditEntry.subject_type, AuditEntry.subject_id))
        return Counter((action, kind, id_) for action, kind, id_ in rows)


def emails(sessions: Sessions) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count(Email.id))) or 0


@pytest.mark.parametrize("operation", POSTS, ids=named)
def test_every_post_can_be_sent_again(world: World, operation: Operation, sessions: Sessions) -> None:
    thing = world.thing(operation)
    first = world.ask(operation, thing, **ONCE)
    done = audited(sessions)
    again = world.ask(operation, thing, **ONCE)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    kept = ("content-type", "etag", "location")
    assert [again.headers.get(name) for name in kept] == [first.headers.get(name) for name in kept]
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert audited(sessions) == done


@pytest.mark.slow
@pytest.mark.parametrize("operation", AT_ONCE, ids=named)
def test_ten_at_once_have_one_effect_and_equal_answers(app: FastAPI, sessions: Sessions, operation: Operation) -> None:
    with serving(app) as url, httpx.Client(base_url=url, headers=key(sessions), timeout=60) as client:
        world = World(client, sessions)  # type: ignore[arg-type]
        thing, before, barrier = world.thing(operation), audited(sessions), Barrier(10)

        def send(_: int) -> httpx.Response:
            barrier.wait()
            return world.ask(operation, thing, **ONCE)  # type: ignore[return-value]

        with ThreadPoolExecutor(10) as clients:
            answers = list(clients.map(send, range(10)))
    assert {answer.status_code for answer in answers} <= {200, 201}, answers
    assert (
        len({(answer.content, answer.headers.get("etag"), answer.headers.get("location")) for answer in answers}) == 1
    )
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False] + [True] * 9
    done = audited(sessions) - before
    assert done
    assert set(done.values()) == {1}


def key(sessions: Sessions) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_key(sessions, Scope.ADMIN)}"}


@contextmanager
def api(database_url: str, sessions: Sessions, headers: dict[str, str], dies: str = "") -> Iterator[httpx.Client]:
    with server_process(database_url, dies=dies) as (url, _), httpx.Client(base_url=url, headers=headers) as client:
        client.timeout = httpx.Timeout(60)
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["before_commit", "after_commit"])
def test_killed_between_effect_and_answer_the_repeat_still_has_one(
    world: World, sessions: Sessions, database_url: str, dies: str
) -> None:
    headers = key(sessions) | ONCE
    with api(database_url, sessions, headers, dies) as client, pytest.raises(httpx.TransportError):
        client.post(CREATE.path, json=CREATE.example)
    happened = emails(sessions)
    assert happened == (1 if dies == "after_commit" else 0)
    with api(database_url, sessions, headers) as client:
        first, second = (client.post(CREATE.path, json=CREATE.example) for _ in range(2))
    assert (first.status_code, first.content) == (201, second.content)
    assert ("idempotency-replayed" in first.headers) == bool(happened)
    assert emails(sessions) == 1
    assert audited(sessions)["email.create", "email", first.json()["id"]] == 1


def test_an_answer_that_nobody_fetched_is_there_for_the_repeat(world: World, sessions: Sessions) -> None:
    with serving(world.client.app) as url:  # type: ignore[arg-type]
        body = httpx.Request("POST", url, json=CREATE.example).content
        host, port = url.removeprefix("http://").split(":")
        with httpx.Client(base_url=url, headers=key(sessions) | ONCE, timeout=60) as client:
            hang_up(host, int(port), client, body)
            answer = client.post(CREATE.path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    assert emails(sessions) == 1


def hang_up(host: str, port: int, client: httpx.Client, body: bytes) -> None:
    """Send the request and go away without reading a byte."""
    lines = [f"POST {CREATE.path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    lines += [f"{name}: {client.headers[name]}" for name in ("Authorization", "Idempotency-Key")]
    lines += [f"Content-Length: {len(body)}", "", ""]
    with socket.create_connection((host, port)) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)


def test_a_refusal_is_not_kept(world: World, sessions: Sessions) -> None:
    cancel, email_id = BY_ID["cancelEmail"], world.email("failed")
    with writing(sessions) as session:
        session.execute(update(Email).values(status="canceled"))
    assert world.ask(cancel, email_id, **ONCE).status_code == 409
    with writing(sessions) as session:
        session.execute(update(Email).values(status="failed"))
    answer = world.ask(cancel, email_id, **ONCE)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (200, False)


def test_input_that_cannot_be_used_does_not_use_up_the_key(world: World, sessions: Sessions) -> None:
    assert world.ask(CREATE, body=CREATE.example | {"subject": 7}, **ONCE).status_code == 422
    assert world.ask(CREATE, body=CREATE.example | {"therapist_id": 10**30}, **ONCE).status_code == 422
    assert world.ask(CREATE, **ONCE).status_code == 201


def test_another_request_under_the_same_key_is_refused_and_does_nothing(world: World, sessions: Sessions) -> None:
    assert world.ask(CREATE, **ONCE).status_code == 201
    other = world.ask(CREATE, body=CREATE.example | {"subject": "Eine andere"}, **ONCE)
    elsewhere = world.ask(BY_ID["addSuppression"], **ONCE)
    assert (other.status_code, elsewhere.status_code, emails(sessions)) == (409, 409, 1)


def test_keys_of_repeats_belong_to_the_key_of_the_client(world: World, client_with: Client, sessions: Sessions) -> None:
    first = world.ask(CREATE, **ONCE)
    other = client_with(Scope.ADMIN).post(CREATE.path, json=CREATE.example, headers=ONCE)
    assert (other.status_code, emails(sessions)) == (201, 2)
    assert other.json()["id"] != first.json()["id"]


def test_after_seven_days_it_is_free_again(world: World, sessions: Sessions) -> None:
    world.ask(CREATE, **ONCE)
    age(sessions, KEPT - timedelta(minutes=1))
    assert "idempotency-replayed" in world.ask(CREATE, **ONCE).headers
    age(sessions, timedelta(minutes=2))
    assert "idempotency-replayed" not in world.ask(CREATE, **ONCE).headers
    assert emails(sessions) == 2


def age(sessions: Sessions, by: timedelta) -> None:
    with writing(sessions) as session:
        for row in session.scalars(select(IdempotencyAnswer)):
            row.created_at -= by


def test_a_replayed_answer_is_no_wider_than_the_key_that_asks(client_with: Client, sessions: Sessions) -> None:
    World(client_with(Scope.ADMIN), sessions)
    writer = client_with(Scope.WRITE)
    first, again = (writer.post(CREATE.path, json=CREATE.example, headers=ONCE) for _ in range(2))
    assert first.content == again.content
    assert "body_html" not in again.json()
