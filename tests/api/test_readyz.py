"""Is it ready: what /readyz says, and that it says it in time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.building import create_app
from api.probing import Probe
from comms.config import Settings
from comms.services.heartbeats import FAILING, MAIL, beat
from comms.services.pause import pause_sending
from comms.store.engines import clock, make_engine
from comms.store.session import Sessions, writing
from tests.api.conftest import Client


def test_it_is_open_and_names_every_part(client_with: Client) -> None:
    answer = client_with().get("/readyz")
    assert answer.status_code == 200
    never = {"state": "never"}
    assert answer.json() == {
        "status": "ok",
        "checks": {
            "database": {"state": "ok"},
            "migrations": {"state": "ok"},
            "mail": never,
            "jobs": dict.fromkeys(["check-invariants", "daily-batch", "follow-ups", "send-queue"], never),
            "sending": {"state": "ok"},
        },
    }


def test_degraded_is_200_and_says_what(client_with: Client, sessions: Sessions) -> None:
    with writing(sessions) as session:
        pause_sending(session, "cli:anja", clock(session), "Frau Müller rief an")
        beat(session, MAIL, FAILING, "connect refused", clock(session))
    answer = client_with().get("/readyz")
    found = answer.json()
    assert (answer.status_code, found["status"]) == (200, "degraded")
    assert (found["checks"]["mail"]["state"], found["checks"]["mail"]["code"]) == ("failing", "connect refused")
    assert (found["checks"]["sending"]["state"], found["checks"]["sending"]["age_seconds"]) == ("paused", 0)
    assert "anja" not in answer.text
    assert "Müller" not in answer.text


def test_kafka_is_named_where_it_is_configured(engine: Engine) -> None:
    settings = Settings(_env_file=None, kafka_bootstrap_servers="broker.example:9092")  # type: ignore[call-arg]
    answer = TestClient(create_app(settings, engine)).get("/readyz")
    assert answer.json()["checks"]["kafka"] == {"state": "never"}
    assert "broker" not in answer.text


def test_another_version_of_the_schema_is_503(engine: Engine, client_with: Client) -> None:
    with engine.begin() as connection:
        before = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = 'another'"))
    try:
        answer = client_with().get("/readyz")
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": before})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["checks"]["migrations"] == {"state": "unavailable", "code": "database_not_ready"}
    assert answer.json()["checks"]["database"] == {"state": "ok"}


def test_a_missing_database_is_503_without_its_place(tmp_path: Path, settings: Settings) -> None:
    app = create_app(settings, make_engine(f"sqlite:///{tmp_path}/none.db"))
    answer = TestClient(app).get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert "none.db" not in answer.text


PATIENCE = 8.0
"""Seconds: the three that are promised, on a machine that is busy with other tests. The driver gives up after ten."""


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word: a server that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_database_that_hangs_is_told_within_three_seconds_by_however_many_ask(
    silent: int, settings: Settings
) -> None:
    app = create_app(settings, make_engine(f"postgresql://anja:geheim@127.0.0.1:{silent}/praxis"))
    with TestClient(app) as client:
        began = time.monotonic()
        askers = [threading.Thread(target=client.get, args=("/readyz",)) for _ in range(30)]
        for asker in askers:
            asker.start()
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        for asker in askers:
            asker.join()
        assert time.monotonic() - began < PATIENCE
        assert sum(thread.name == "probe" for thread in threading.enumerate()) == 1
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == {"state": "unavailable", "code": "database_away"}
    assert answer.json()["checks"]["jobs"]["send-queue"] == {"state": "unknown"}
    assert not any(word in answer.text for word in ("geheim", "anja", "praxis", "127.0.0.1"))


def test_what_was_just_seen_is_told_again_without_another_look() -> None:
    seen: list[int] = []

    def look() -> int:
        seen.append(1)
        return len(seen)

    probe, hasty = Probe(look, fresh=60), Probe(look, fresh=-1)
    assert [asyncio.run(probe.ask()) for _ in range(3)] == [1, 1, 1]
    assert [asyncio.run(hasty.ask()) for _ in range(3)] == [2, 3, 4]


def test_a_look_that_takes_too_long_is_waited_for_and_its_end_is_told() -> None:
    gate, looks = threading.Event(), []

    def look() -> str:
        looks.append(1)
        gate.wait(10)
        return "seen"

    probe = Probe(look, patience=0.01, fresh=60)

    async def ask() -> None:
        assert [await probe.ask() for _ in range(3)] == [None] * 3
        gate.set()
        while await probe.ask() is None:
            pass
        assert (await probe.ask(), len(looks)) == ("seen", 1)

    asyncio.run(ask())


def test_what_a_look_raises_is_raised_where_it_was_asked() -> None:
    def look() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(Probe(look).ask())
