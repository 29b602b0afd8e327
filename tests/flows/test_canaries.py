"""A whole story full of canaries: nothing that it writes holds a name, an address, a diagnosis, a text or a secret.

Swept are all logs and outputs, spans, Prefect's database and files, our events on the topic, the tables of operations,
metrics, the errors that the API answers, and the arguments of every process.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from sqlalchemy import Engine, func, select, text

from comms.services.keys import create_key
from comms.store.database import upgrade
from comms.store.engines import clock, make_engine
from comms.store.models import Email, InboxEvent, OutboxEvent
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.local_stack.parts import becomes_true
from tests.servers.kafka import broker
from tests.servers.otlp import Receiver, receiver
from tests.servers.postgres import database
from tests.servers.processes import free_port
from tests.servers.smtp import Session, SmtpServer
from tests.servers.topics import publish, read_all
from tests.servers.uvicorn import uvicorn_server
from tests.services.messages import event_bytes

MARK, DIAGNOSIS = "zqxyq", "F64.8"
"""Every canary has the mark, but for the diagnosis, which must be one."""
PERSON = {"anrede": "Frau", "titel": "Dr.", "vorname": "Zqxyqandra", "nachname": "Zqxyqmann", "status": "aktiv",
          "strasse": "Zqxyqweg 1", "telefonische_erreichbarkeit": {"montag": ["09:00-12:00"]}}  # fmt: skip
PATIENT = {
    "geburtsdatum": "1988-04-17",
    "diagnose": DIAGNOSIS,
    "krankenkasse": "Zqxyqkasse",
    "startdatum": "2026-03-02",
}
GOOD, UNKNOWN, SPAM = "zqxyqgood@therapie.example", "zqxyqunknown@therapie.example", "zqxyqspam@therapie.example"
REFUSALS = {
    UNKNOWN: f"550 5.1.1 <{UNKNOWN}> Zqxyqmann is unknown here",
    SPAM: f"550 5.7.1 <{SPAM}> zqxyqword looks like spam",
}


def _refuse(session: Session) -> str | None:
    return next((reply for address, reply in REFUSALS.items() if address in session.line), None)


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpServer]:
    """A relay with TLS and a login, which repeats addresses and words in its refusals."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with SmtpServer({"rcpt": _refuse}, tls=context, users={"app": "zqxyq-smtp-password"}) as server:
        given = {"SMTP_HOST": "localhost", "SMTP_PORT": str(server.port), "SMTP_SECURITY": "starttls",
                 "SMTP_USERNAME": "app", "SMTP_PASSWORD": "zqxyq-smtp-password",
                 "COMMS_SMTP_CA_FILE": str(tmp_path / "ca.pem")}  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def rows(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    """A database behind a password, and the settings of everything that runs."""
    with database(postgres) as url:
        url = url.replace("postgres@", "postgres:zqxyq-database-password@")
        given = {"DATABASE_URL": url, "COMMS_HOME": str(tmp_path), "COMMS_LOG_FORMAT": "json",
                 "COMMS_BATCH_ON_MATCH": "true", "COMMS_PLATFORM_TOKEN": "zqxyq-platform-token",
                 "PLATFORM_THERAPIST_URL": f"http://127.0.0.1:{free_port()}",
                 "COMMS_KAFKA_SESSION_TIMEOUT_MS": "6000", "COMMS_KAFKA_HEARTBEAT_MS": "500"}  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        engine: Engine = make_engine(url)
        upgrade(engine)
        yield make_sessions(engine)
        engine.dispose()


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with broker() as running:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", running.servers)
        yield running.servers


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiver() as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        yield running


def _parentage(process: Path) -> tuple[int, int] | None:
    """The id of a process and its parent's; None where it has just ended."""
    try:
        return int(process.name), int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


class Sweep:
    """Collects what was written, by place, and says where a canary sits in it."""

    def __init__(self, *secrets: str) -> None:
        self._canaries = [word.lower().encode() for word in (MARK, DIAGNOSIS, *secrets)]
        self._written: list[tuple[str, bytes]] = []

    def add(self, place: str, written: str | bytes) -> None:
        self._written.append((place, written.encode() if isinstance(written, str) else written))

    def add_files(self, folders: Iterable[Path], *left_out: str) -> None:
        for folder in folders:
            for path in folder.rglob("*"):
                if path.is_file() and path.name not in left_out:
                    self.add(str(path.relative_to(folder)), path.read_bytes())

    def add_arguments(self) -> None:
        """Of this process and of all that descend from it."""
        parents = dict(filter(None, map(_parentage, Path("/proc").glob("[0-9]*"))))
        ours = {os.getpid()}
        while more := {id_ for id_, parent in parents.items() if parent in ours} - ours:
            ours |= more
        for id_ in ours:
            with suppress(OSError):  # it may just have ended
                self.add("argv", Path(f"/proc/{id_}/cmdline").read_bytes())

    @property
    def places(self) -> set[str]:
        return {place for place, _ in self._written}

    def hits(self) -> set[tuple[str, str]]:
        return {
            (place, canary.decode())
            for place, written in self._written
            for canary in self._canaries
            if canary in written.lower()
        }


def test_a_sweep_finds_what_is_there() -> None:
    sweep = Sweep("secret")
    sweep.add("one", "Dr. ZQXYQmann")
    sweep.add("two", b"... SECRET ...")
    sweep.add("three", "F64")
    assert sweep.hits() == {("one", MARK), ("two", "secret")}


def count(rows: Sessions, column: Any, *where: Any) -> int:
    with reading(rows) as session:
        return session.scalar(select(func.count(column)).where(*where)) or 0


def speak(servers: str) -> None:
    """What the platform writes, good and bad."""
    now = datetime.now(UTC)
    therapists = {801: GOOD, 802: UNKNOWN, 803: SPAM}
    told = {
        "therapist-events": [
            event_bytes("therapist.created", at=now, therapist_id=id_, therapist_data=PERSON | {"email": address})
            for id_, address in therapists.items()
        ],
        "patient-events": [event_bytes("patient.created", at=now, patient_id=901, patient_data=PATIENT)],
        "matching-events": [
            *(
                event_bytes("match.created", at=now, match_id=id_, therapist_id=id_, patient_id=901,
                            match_data={"notes": "zqxyqnote"})
                for id_ in therapists
            ),
            event_bytes("match.status_changed", at=now, match_id=999, new_status="abgelehnt", reason="zqxyqreason"),
            event_bytes("match.created", at=now, match_id="zqxyqid", therapist_id=801, patient_id=901),
            b'{"eventType": "match.created", "zqxyqbroken',
        ],
    }  # fmt: skip
    for topic, messages in told.items():
        publish(servers, topic, [(None, message) for message in messages])


def ask_wrongly(client: httpx.Client) -> Iterator[httpx.Response]:
    """Requests that are refused, each with canaries wherever a request has room for some."""
    email = {
        "therapist_id": 801,
        "subject": "zqxyqsubject",
        "body_html": "<p>zqxyqbody</p>",
        "recipient_name": "Zqxyqmann",
    }
    yield client.post("/api/emails", json=email | {"recipient_email": "zqxyq mail"})
    yield client.post("/api/emails", json=email | {"recipient_email": GOOD, "colour": "zqxyqvalue"})
    yield client.post("/api/emails", json=email | {"recipient_email": GOOD, "sender_email": "zqxyq@elsewhere.example"})
    yield client.post("/api/emails", content=b'{"zqxyqbroken', headers={"Content-Type": "application/json"})
    yield client.put("/api/therapists/801", json={"last_name": "Zqxyqmann", "phone": "zqxyqphone"})
    yield client.put("/api/patients/901", json={"diagnosis": "zqxyqdiagnosis", "registered_on": "zqxyqdate"})
    yield client.get("/api/emails", params={"status": "zqxyqstatus"})
    yield client.get("/api/suppressions", params={"mailbox": "zqxyq"})
    yield client.get("/zqxyqpath", headers={"X-Request-ID": "zqxyq-request"})
    yield client.get("/api/emails", headers={"Authorization": "Bearer comms_zqxyqkey"})


def write_a_letter(client: httpx.Client) -> None:
    """What is accepted, with canaries in every text: it is kept, and told to nobody else."""
    email = {"therapist_id": 804, "subject": "zqxyqsubject", "body_html": "<p>zqxyqbody</p>",
             "recipient_name": "Zqxyqmann", "recipient_email": "zqxyqother@therapie.example",
             "placement_request_ids": [804]}  # fmt: skip
    made = client.post("/api/emails", json=email)
    assert made.status_code == 201, made.text
    answer = client.put(
        f"/api/emails/{made.json()['id']}", json={"follow_up_required": True, "follow_up_notes": "zqxyqnote"}
    )
    assert answer.status_code == 200, answer.text
    assert client.get("/api/therapists/804/timeline").status_code == 200


def import_file(tmp_path: Path) -> Path:
    """Somebody good, and somebody whose facts cannot be used."""
    path = tmp_path / "therapists.json"
    people = [
        {"id": 805, **PERSON, "email": "zqxyqfile@therapie.example"},
        {"id": 806, **PERSON, "telefon": "zqxyqphone"},
    ]
    path.write_text(json.dumps({"therapists": [*people, {"id": "zqxyqid", **PERSON}]}))
    return path


def fail_in_prefect(rows: Sessions, prefect_api: str) -> str:
    """Let one daily batch meet an error of the database; return how its run ended."""
    from prefect.client.orchestration import get_client

    async def story() -> str:
        async with get_client() as client:
            deployment = await client.read_deployment_by_name("daily-batch/daily-batch")
            run = await client.create_flow_run_from_deployment(deployment.id)
            for _ in range(1200):
                state = (await client.read_flow_run(run.id)).state
                if state and state.is_final():
                    return str(state.name)
                await asyncio.sleep(0.1)
        return "still under way"

    with writing(rows) as session:
        session.execute(text("ALTER TABLE plan_decisions RENAME TO gone"))
    return asyncio.run(story())


@contextmanager
def asking(url: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


OPERATIONS = ("outbox_events", "job_runs", "delivery_attempts", "heartbeats", "staff_items", "audit_log", "leases")


@pytest.mark.whole
def test_nothing_that_a_whole_story_writes_holds_a_canary(
    rows: Sessions, mail: SmtpServer, bus: str, spans: Receiver, prefect_api: str, prefect_home: Path,
    start: Callable[..., None], tmp_path: Path,
) -> None:  # fmt: skip
    with writing(rows) as session:
        key = create_key(session, "sweep", ["admin"], clock(session), "test").key
    sweep = Sweep(key)
    ports = {"COMMS_RELAY_METRICS_PORT": str(free_port()), "COMMS_LAUNCHER_METRICS_PORT": str(free_port())}
    start("comms.cli", "import", str(import_file(tmp_path)))
    start("comms.local_stack.worker", "60", PREFECT_API_URL=prefect_api, PREFECT_WORKER_QUERY_SECONDS="1")
    start("comms.cli", "launcher", PREFECT_API_URL=prefect_api, **ports)
    start("comms.cli", "relay", **ports)
    url = os.environ["DATABASE_URL"]
    with uvicorn_server(tmp_path, url) as server, asking(server.url, key) as client:
        sweep.add_arguments()
        for answer in ask_wrongly(client):
            assert 400 <= answer.status_code < 500, answer.request.url
            sweep.add(f"answer {answer.status_code}", answer.content + str(answer.headers).encode())
        write_a_letter(client)
        speak(bus)

        def settled() -> bool:
            sweep.add_arguments()
            ended = count(rows, Email.id, Email.status.in_(["sent", "failed"])) == 3
            return ended and count(rows, OutboxEvent.id, OutboxEvent.published_at.is_(None)) == 0

        assert becomes_true(settled, 180)
        assert count(rows, InboxEvent.id, InboxEvent.outcome == "applied") == 7
        assert [message.recipients for message in mail.received] == [(GOOD,)]
        assert mail.received[0].login == "app"
        sweep.add("metrics of the API", client.get("/metrics").content)
        for name, port in ports.items():
            sweep.add(f"metrics, {name}", httpx.get(f"http://127.0.0.1:{port}/metrics").content)
        assert fail_in_prefect(rows, prefect_api) == "Failed"
        sweep.add_arguments()
    sweep.add_files([tmp_path], "therapists.json", "ca.pem")
    sweep.add_files([prefect_home])
    for _, _, _, value in read_all(bus, "communication-events"):
        sweep.add("topic", value or b"")
    with reading(rows) as session:
        for table in OPERATIONS:
            sweep.add(table, str(session.execute(text(f"SELECT * FROM {table}")).all()))

    for body in spans.bodies:
        sweep.add("spans", body)
    for name in ("poll", "match.created applied", "email sent", "email failed", "POST /api/emails", "wave"):
        assert spans.named(name), name

    logs = [path.read_text() for path in tmp_path.glob("*.log")]
    for event in ("request", "poll", "wave", "command"):
        assert any(f'"event": "{event}"' in log for log in logs), event
    assert {"prefect.db", "topic", "argv", "server.log"} <= sweep.places
    assert sweep.hits() == set()
