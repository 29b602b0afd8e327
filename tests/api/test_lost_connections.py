"""The database ended every connection of the pool, as a restart does; whoever asks next is told nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.building import create_app
from comms.config import Settings
from comms.rules.scopes import Scope
from comms.store.session import Sessions, writing
from tests.api.conftest import make_key
from tests.factories import make_therapist

DATABASES = ("postgresql",)
DRAFT = {"subject": "Anfrage", "body_html": "<p>Guten Tag</p>", "recipient_email": "p@praxis.example"}


@pytest.fixture
def client(engine: Engine, sessions: Sessions) -> Iterator[TestClient]:
    """Of an app with an engine of its own, whose connections are in use."""
    url = engine.url.render_as_string(hide_password=False)
    app = create_app(Settings(_env_file=None, database_url=url))  # type: ignore[call-arg]
    headers = {"Authorization": f"Bearer {make_key(sessions, Scope.ADMIN)}"}
    with TestClient(app, raise_server_exceptions=False, headers=headers) as client:
        assert client.get("/api/emails").status_code == 200
        yield client


@pytest.fixture
def restart(engine: Engine, client: TestClient) -> Callable[[], None]:
    def end_all() -> None:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        with engine.connect() as connection:
            query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}"
            ended = connection.scalar(text(query))
        assert ended

    return end_all


def test_a_list_is_read_on_a_new_connection(client: TestClient, restart: Callable[[], None]) -> None:
    restart()

    assert client.get("/api/emails").status_code == 200


def test_a_change_is_made_on_a_new_connection_and_once(
    client: TestClient, restart: Callable[[], None], sessions: Sessions
) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
    restart()

    made = client.post("/api/emails", json=DRAFT | {"therapist_id": therapist.id, "recipient_name": "Dr. Müller"})

    assert made.status_code == 201
    assert client.get("/api/emails").headers["x-total-count"] == "1"


def test_a_key_is_looked_up_on_a_new_connection(
    client: TestClient, restart: Callable[[], None], sessions: Sessions
) -> None:
    other = {"Authorization": f"Bearer {make_key(sessions, Scope.READ)}"}
    restart()

    assert client.get("/api/emails", headers=other).status_code == 200


def test_the_service_is_ready_all_the_same(client: TestClient, restart: Callable[[], None]) -> None:
    restart()

    assert client.get("/readyz").json()["checks"]["database"]["state"] == "ok"
