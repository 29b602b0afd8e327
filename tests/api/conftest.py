"""The app on each database, keys for it, and a client that says what a key may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.building import create_app
from comms.config import Settings
from comms.rules.scopes import Scope
from comms.services.keys import create_key
from comms.store.engines import clock
from comms.store.session import Sessions, writing
from tests.factories import number

Client = Callable[..., TestClient]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module may say on which databases its tests run: one is enough where the services below run on both."""
    if "database" in metafunc.fixturenames:
        metafunc.parametrize("database", getattr(metafunc.module, "DATABASES", ("sqlite", "postgresql")))


@pytest.fixture
def engine(database: str, request: pytest.FixtureRequest) -> Engine:
    """A migrated database without a row."""
    found: Engine = request.getfixturevalue(f"empty_{database}")
    return found


@pytest.fixture
def settings() -> Settings:
    """The defaults, whatever the environment says."""
    return Settings(_env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def app(engine: Engine, settings: Settings) -> FastAPI:
    return create_app(settings, engine)


@pytest.fixture
def client_with(app: FastAPI, sessions: Sessions) -> Iterator[Client]:
    """`client_with("read", "write")`: a client whose key has these scopes; without any: a client without a key."""
    with ExitStack() as opened:

        def make(*scopes: str) -> TestClient:
            headers = {"Authorization": f"Bearer {make_key(sessions, *scopes)}"} if scopes else {}
            client = TestClient(app, raise_server_exceptions=False, headers=headers)
            return opened.enter_context(client)  # entered, it keeps one event loop: half the time of each request

        yield make


@pytest.fixture
def client(client_with: Client) -> TestClient:
    """May do everything."""
    return client_with(Scope.ADMIN)


def make_key(sessions: Sessions, *scopes: str) -> str:
    with writing(sessions) as session:
        return create_key(session, f"test {number()}", scopes, clock(session), "test").key
