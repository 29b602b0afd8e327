"""What stands around every answer, and how often an address may be wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import api.attempts
from api.attempts import REMEMBERED, Attempts, owner_of
from api.building import create_app
from api.problems import TooMany
from comms.config import Settings
from comms.rules.scopes import Scope
from comms.store.session import Sessions
from tests.api.conftest import make_key

DATABASES = ("sqlite",)  # what is asked here stands before every database
BAD = {"Authorization": "Bearer comms_guess"}


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    return create_app(Settings(_env_file=None, api_failed_attempts_per_minute=3), engine)  # type: ignore[call-arg]


@pytest.fixture
def asked(engine: Engine) -> Iterator[list[str]]:
    """Every statement that the database is asked."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def client_at(app: FastAPI, address: str) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, client=(address, 50000))


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/api/emails", "/nowhere", "/docs", "/docs/start.js", "/metrics"]
)
def test_every_answer_forbids_a_browser_whatever_it_does_not_need(app: FastAPI, path: str) -> None:
    headers = TestClient(app, raise_server_exceptions=False).get(path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers.get_list("content-security-policy")[0].startswith("default-src 'none'")
    assert len(headers.get_list("content-security-policy")) == 1
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_no_other_origin_is_let_in(app: FastAPI, method: str) -> None:
    asks = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = TestClient(app, raise_server_exceptions=False).request(method, "/api/emails", headers=asks)

    assert answer.status_code in (401, 405)
    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_who_guesses_keys_is_told_to_wait_and_the_database_is_not_asked(app: FastAPI, asked: list[str]) -> None:
    guesser = client_at(app, "192.0.2.1")
    statuses = [guesser.get("/api/emails", headers=BAD).status_code for _ in range(3)]
    before = len(asked)
    refused = guesser.get("/api/emails", headers=BAD)

    assert (statuses, refused.status_code) == ([401, 401, 401], 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert len(asked) == before
    assert client_at(app, "192.0.2.2").get("/api/emails", headers=BAD).status_code == 401


def test_a_key_that_was_good_before_is_let_in_from_where_others_guess(
    app: FastAPI, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = client_at(app, "192.0.2.1")
    good = {"Authorization": f"Bearer {make_key(sessions, Scope.READ)}"}
    assert shared.get("/api/emails", headers=good).status_code == 200
    for _ in range(4):
        shared.get("/api/emails", headers=BAD)
    assert shared.get("/api/emails", headers=BAD).status_code == 429

    later = time.monotonic() + api.security.TRUSTED_SECONDS
    monkeypatch.setattr(api.security.time, "monotonic", lambda: later)
    assert shared.get("/api/emails", headers=good).status_code == 200


def test_behind_a_proxy_that_is_named_each_address_has_its_own_attempts(app: FastAPI) -> None:
    """What uvicorn does with FORWARDED_ALLOW_IPS=192.0.2.9; nobody else's word about an address counts."""
    behind = ProxyHeadersMiddleware(app, "192.0.2.9")

    def guess(peer: str, said: str) -> int:
        client = TestClient(behind, raise_server_exceptions=False, client=(peer, 50000))
        return client.get("/api/emails", headers=BAD | {"X-Forwarded-For": said}).status_code

    assert [guess("192.0.2.9", "198.51.100.1") for _ in range(4)] == [401, 401, 401, 429]
    assert guess("192.0.2.9", "198.51.100.2") == 401
    assert [guess("192.0.2.8", f"198.51.100.{n}") for n in range(10, 14)] == [401, 401, 401, 429]


def test_attempts_come_back_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(api.attempts.time, "monotonic", lambda: now)
    attempts = Attempts(60)
    for _ in range(60):
        attempts.failed("192.0.2.1")
    with pytest.raises(TooMany):
        attempts.require("192.0.2.1")
    now += 1.01
    attempts.require("192.0.2.1")


def test_so_many_addresses_are_remembered_and_no_more() -> None:
    attempts = Attempts(1)
    for number in range(REMEMBERED + 50):
        attempts.failed(f"host {number}")
    assert len(attempts._left) == REMEMBERED
    attempts.require("host 0")
    with pytest.raises(TooMany):
        attempts.require(f"host {REMEMBERED}")


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_is_one_guesser(address: str, owner: str) -> None:
    assert owner_of(address) == owner
