"""Who may do what, asked of every operation that OpenAPI names: nobody gets in without the key and the scope."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import Engine

import api.security
from api.building import create_app
from api.security import TRUSTED_SECONDS
from comms.config import Settings
from comms.rules.scopes import Scope
from comms.services.keys import create_key, revoke_key
from comms.store.engines import clock, make_engine
from comms.store.session import make_sessions, writing
from tests.api.operations import GUARDED, OPERATIONS, WITH_BODY, Operation, named
from tests.factories import number

every_guarded = pytest.mark.parametrize("operation", GUARDED, ids=named)
OPEN = {"/healthz", "/readyz"}
BEFORE_THE_BODY = (b"{not json", b" " * (1024 * 1024 + 1))
"""Malformed, and too large: no business of somebody who may not come in."""
DOCUMENTED = {(operation.method, operation.path) for operation in OPERATIONS}


class Door:
    """The app on one database for all tests here: doors are the same before every database and every row."""

    def __init__(self, engine: Engine, settings: Settings, client: TestClient) -> None:
        self.engine, self.settings, self.client = engine, settings, client
        self.sessions = make_sessions(engine)
        self.keys = {scope: self.key(scope) for scope in Scope}
        self.all_but = {scope: self.key(*set(Scope) - {scope, Scope.ADMIN}) for scope in Scope}
        self.revoked, self.expired = self.key(Scope.ADMIN, name="revoked"), self.key(Scope.ADMIN, ends=True)
        self.revoke("revoked")

    def key(self, *scopes: str, name: str = "", ends: bool = False) -> dict[str, str]:
        lifetime = timedelta(microseconds=1) if ends else timedelta(days=1)
        with writing(self.sessions) as session:
            made = create_key(session, name or f"test {number()}", scopes, clock(session), "test", lifetime)
        return {"Authorization": f"Bearer {made.key}"}

    def revoke(self, name: str) -> None:
        with writing(self.sessions) as session:
            revoke_key(session, name, clock(session), "test")

    def ask(self, operation: Operation, headers: dict[Any, Any], body: bytes = b"") -> int:
        """Tell the status; a refusal at the door must be a problem."""
        given = headers | {"Content-Type": "application/json"}
        answer = self.client.request(operation.method, operation.url(), content=body, headers=given)
        if answer.status_code in (401, 403):
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
        return answer.status_code


@pytest.fixture(scope="module")
def door(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("door") / "comms.db")
    engine = make_engine(f"sqlite:///{path}")
    many = {"api_requests_per_minute": 10**6, "api_failed_attempts_per_minute": 10**6}
    settings = Settings(_env_file=None, **many)  # type: ignore[arg-type]
    with TestClient(create_app(settings, engine), raise_server_exceptions=False) as client:
        yield Door(engine, settings, client)


@every_guarded
def test_without_a_usable_key_nobody_gets_in(door: Door, operation: Operation) -> None:
    unusable: list[dict[Any, Any]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer comms_garbage"},
        {b"Authorization": b"Bearer \xe4\xff"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        door.expired,
        door.revoked,
    ]
    assert {door.ask(operation, key) for key in unusable} == {401}
    assert {door.ask(operation, {}, body) for body in BEFORE_THE_BODY} == {401}


@every_guarded
def test_no_other_scope_is_enough(door: Door, operation: Operation) -> None:
    assert operation.scope is not None
    others = [door.keys[scope] for scope in Scope if scope not in (operation.scope, Scope.ADMIN)]
    assert {door.ask(operation, key) for key in [*others, door.all_but[operation.scope]]} == {403}
    assert {door.ask(operation, door.all_but[operation.scope], body) for body in BEFORE_THE_BODY} == {403}


@every_guarded
def test_its_own_scope_is_enough_and_admin_is_too(door: Door, operation: Operation) -> None:
    assert operation.scope is not None
    assert not {door.ask(operation, door.keys[scope]) for scope in (operation.scope, Scope.ADMIN)} & {401, 403}


@pytest.mark.parametrize("operation", WITH_BODY, ids=named)
def test_behind_the_door_a_body_is_refused_for_what_it_is(door: Door, operation: Operation) -> None:
    assert [door.ask(operation, door.keys[Scope.ADMIN], body) for body in BEFORE_THE_BODY] == [422, 413]


def test_nothing_is_open_but_what_the_contract_names() -> None:
    assert {operation.path for operation in OPERATIONS if operation.scope is None} == OPEN


def test_every_route_stands_in_openapi_or_shows_it(door: Door) -> None:
    hidden = {path for method, path in routes_of(door.client.app) if (method, path) not in DOCUMENTED}
    assert all(path == "/openapi.json" or path.startswith("/docs") for path in hidden), hidden


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    for found in iter_route_contexts(app.routes):
        for method in found.methods or {"ANY"}:
            yield method, str(found.path)


def test_in_production_there_are_no_docs(door: Door) -> None:
    app = create_app(door.settings.model_copy(update={"environment": "production"}), door.engine)
    assert set(routes_of(app)) == DOCUMENTED
    client = TestClient(app)
    assert {client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json", "/docs/x")} == {404}


def test_a_revoked_key_ends_within_seconds(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    key = door.key(Scope.ADMIN, name="ends")
    assert door.client.get("/api/emails", headers=key).status_code == 200
    door.revoke("ends")
    later = time.monotonic() + TRUSTED_SECONDS
    monkeypatch.setattr(api.security.time, "monotonic", lambda: later)
    assert door.client.get("/api/emails", headers=key).status_code == 401


def test_too_many_requests_are_told_when_to_come_back(door: Door) -> None:
    app = create_app(door.settings.model_copy(update={"api_requests_per_minute": 2}), door.engine)
    client = TestClient(app)
    answers = [client.get("/api/emails", headers=door.keys[Scope.READ]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert client.get("/api/emails", headers=door.keys[Scope.ADMIN]).status_code == 200
