"""docker-compose.yml, its commands run as processes: from empty volumes to an email and an event, to an orderly end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import make_url

from comms.local_stack.ports import HOST, free_port
from comms.local_stack.prefect_api import PrefectApi
from tests.deployments.compose import in_order, read
from tests.deployments.containers import PATIENCE, Container, Machine
from tests.deployments.postgres_service import on_an_empty_volume, places
from tests.local_stack.parts import becomes_true
from tests.servers.kafka import broker
from tests.servers.smtp import SmtpServer
from tests.servers.topics import events

SERVICES: dict[str, Any] = read("docker-compose.yml", {})["services"]
STAND_INS = ("postgres", "kafka", "mailpit")
OURS = [name for name in in_order(SERVICES) if name not in STAND_INS]
STEPS = ("migrate", "roles", "deploy")
ENDED_BY_SIGTERM = (0, -signal.SIGTERM)
"""uvicorn hands the signal on once its last request is answered."""


@pytest.fixture
def postgres_service(tmp_path: Path) -> Iterator[str]:
    """A server with what its container makes on an empty volume; yields the administrator's URL."""
    (tmp_path / "pg").mkdir()
    with on_an_empty_volume(tmp_path / "pg") as url:
        yield url


@pytest.fixture
def mailpit() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def containers(tmp_path: Path, postgres_service: str, mailpit: SmtpServer) -> Iterator[dict[str, Container]]:
    """All services of ours; the others are stood in for."""
    with broker() as kafka:
        ports = {"4200": str(free_port()), "8000": str(free_port()), "8080": str(free_port())}
        here = places(postgres_service) | {
            "^kafka:9092": kafka.servers, "^mailpit$": HOST, "^1025$": str(mailpit.port),
            "prefect-server": HOST, r"0\.0\.0\.0": HOST,
        } | {f"(?<![0-9]){port}$|(?<=:){port}(?=/)": free for port, free in ports.items()}  # fmt: skip
        SERVICES["worker"]["environment"]["PREFECT_WORKER_WEBSERVER_PORT"] = "8080"  # its default, so as to be moved
        machine = Machine(tmp_path, here)
        made = {name: Container(name, SERVICES[name], machine) for name in OURS}
        try:
            yield made
        finally:
            for container in made.values():
                container.remove()


def start_all(containers: dict[str, Container]) -> None:
    for name in OURS:
        for needed, how in SERVICES[name]["depends_on"].items():
            if needed in containers:
                containers[needed].wait_until(how["condition"])
        containers[name].start()
    for name in set(OURS) - set(STEPS):
        containers[name].wait_until("service_healthy")


def ask(url: str, question: str) -> set[object]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return {row[0] for row in cursor}
    finally:
        connection.close()


LOGINS = "SELECT usename FROM pg_stat_activity WHERE datname = 'comms' AND pid <> pg_backend_pid()"
OWNERS = "SELECT tableowner FROM pg_tables WHERE schemaname = 'public'"


def ask_for_a_place(api: Container) -> None:
    """Tell the API of a therapist, a patient and a placement request."""
    key = json.loads(api.execute("comms", "keys", "create", "--name", "story", "--scope", "write", "--json"))["key"]
    port = api._machine.here("8000", Path())
    therapist = {"last_name": "Muster", "email": "praxis@therapie.example"}
    patient = {"birth_date": "1990-01-01", "diagnosis": "F32.1", "registered_on": "2026-01-05"}
    with httpx.Client(base_url=f"http://{HOST}:{port}/api", headers={"Authorization": f"Bearer {key}"}) as client:
        client.put("/therapists/1", json=therapist).raise_for_status()
        client.put("/patients/1", json=patient).raise_for_status()
        client.put("/placement-requests/1", json={"patient_id": 1, "therapist_id": 1}).raise_for_status()


def role_of(container: Container) -> str | None:
    return make_url(container.environment.get("DATABASE_URL", "none://")).username


@pytest.mark.whole
def test_from_empty_volumes_to_an_email_and_an_event_and_every_part_ends_when_asked(
    containers: dict[str, Container], mailpit: SmtpServer, postgres_service: str
) -> None:
    start_all(containers)
    environment = containers["worker"].environment

    ask_for_a_place(containers["api"])
    PrefectApi(environment["PREFECT_API_URL"]).start_run("daily-batch/daily-batch", {"limit": 10})

    def told() -> list[str]:
        return [one["eventType"] for one in events(environment["KAFKA_BOOTSTRAP_SERVERS"], "communication-events")]

    assert becomes_true(lambda: bool(mailpit.received), PATIENCE), containers["worker"].log.read_text()
    assert mailpit.received[0].recipients == ("praxis@therapie.example",)
    assert becomes_true(lambda: len(told()) == 2, PATIENCE, every=1), containers["relay"].log.read_text()
    assert told() == ["communication.email_created", "communication.email_sent"]

    assert ask(postgres_service, OWNERS) == {"comms_owner"}
    assert ask(postgres_service, LOGINS) == {"comms_app"}
    assert {name for name in OURS if role_of(containers[name]) == "comms_app"} == set(OURS) - {
        *("migrate", "roles", "prefect-server")
    }
    for change in ("ALTER TABLE emails ADD COLUMN more int", "CREATE TABLE more (id int)", "DROP TABLE emails"):
        with pytest.raises(InsufficientPrivilege):
            ask(containers["api"].environment["DATABASE_URL"], change)

    ends = {name: containers[name].stop() for name in reversed(OURS) if name not in STEPS}
    assert [name for name, code in ends.items() if code not in ENDED_BY_SIGTERM] == []
