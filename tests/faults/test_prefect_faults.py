"""Prefect's server and worker break while every flow is in the middle of its work; the work is done all the same.

All flows run at once and wait at a gate that the test holds shut: that is the middle in which the fault strikes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, func, select, text

from comms.bootstrap.events import OURS
from comms.local_stack import HEARTBEAT, automations
from comms.sample.loading import load_sample
from comms.services.inbox import receive
from comms.store.engines import clock
from comms.store.models import Email, InboxEvent, JobRun
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.faults.figures import Note
from tests.faults.judging import contradictions
from tests.installation import environment
from tests.kafka.outbox import unpublished
from tests.local_stack.parts import becomes_true
from tests.servers.commands import start_command
from tests.servers.kafka import Broker, broker
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import dies_with_parent
from tests.servers.smtp import SmtpServer
from tests.servers.topics import events, publish
from tests.services.messages import PATIENT, THERAPIST, event, event_bytes

pytestmark = pytest.mark.whole

FLOWS = (
    "daily-batch", "send-queue", "follow-ups", "sync-platform", "check-invariants", "relay-events",
    "handle-matching-events",
)  # fmt: skip
PATIENCE = 150
SILENCE = automations.SILENCE.total_seconds()
GATE = 7
GATED = f"""
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN new; END $$;
CREATE TRIGGER gate BEFORE INSERT ON job_runs FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate()
"""
"""The flows need longer to begin, all at once, than anybody waits for a lock or an answer of ours."""
UNHURRIED = {"options": "-c statement_timeout=0"}
OPEN = "DROP TRIGGER gate ON job_runs; DROP FUNCTION wait_at_the_gate()"
T = TypeVar("T")


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server that starts nothing by itself: the test does."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"), PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED="false")
    yield server
    server.stop()


class World:
    """An installation with work for every flow, and a Prefect worker that serves it."""

    def __init__(self, engine: Engine, prefect: PrefectServer, variables: Mapping[str, str], folder: Path) -> None:
        self.engine, self.sessions, self.prefect = engine, make_sessions(engine), prefect
        self.variables, self._folder = dict(variables), folder
        self.past = self._sent()
        self.worker = self._start_worker()

    def _start_worker(self) -> subprocess.Popen[bytes]:
        """In a session of its own, as a service manager starts it: what it began does not die with it by itself."""
        ours = {
            "PREFECT_API_URL": self.prefect.url,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_HOME": str(self._folder),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        }
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        with (self._folder / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "comms.local_stack.worker", "60", "alone"],
                env={**os.environ, "PATH": path, **self.variables, **ours},
                stdout=log, stderr=log, start_new_session=True, preexec_fn=dies_with_parent(),
            )  # fmt: skip

    def ask(self, question: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        from prefect import settings
        from prefect.client.orchestration import get_client

        async def asked() -> T:
            async with get_client() as client:
                return await question(client)

        with settings.temporary_settings({settings.PREFECT_API_URL: self.prefect.url}):
            return asyncio.run(asked())

    def launch(self) -> list[Any]:
        """Begin every flow once; return the ids of the runs."""

        async def begin(client: Any) -> list[Any]:
            by_name = {deployment.name: deployment.id for deployment in await client.read_deployments()}
            return [(await client.create_flow_run_from_deployment(by_name[name])).id for name in FLOWS]

        self.await_worker()
        return self.ask(begin)

    def await_worker(self) -> None:
        """Return once it has registered every flow and is there."""

        async def is_there(client: Any) -> bool:
            names = {deployment.name for deployment in await client.read_deployments()}
            workers = await client.read_workers_for_work_pool("comms") if set(FLOWS) <= names else []
            return any(worker.status == "ONLINE" for worker in workers)

        assert becomes_true(lambda: self.ask(is_there), PATIENCE, every=0.5)

    def states(self, ids: list[Any]) -> set[str]:
        async def read(client: Any) -> set[str]:
            return {str((await client.read_flow_run(id_)).state_name) for id_ in ids}

        return self.ask(read)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let everybody wait who notes the beginning of a job."""
        with self.engine.connect() as connection:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({GATE})"))
            yield

    def waiting(self) -> int:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        with self.engine.connect() as connection:
            return int(connection.scalar(text(query)) or 0)

    def _sent(self) -> list[str]:
        """Message-IDs of the emails that the sample says were sent; no server received them."""
        with reading(self.sessions) as session:
            return list(session.scalars(select(Email.message_id).where(Email.status == "sent")))

    def handled(self, kind: str) -> int:
        with reading(self.sessions) as session:
            done = InboxEvent.event_type == kind, InboxEvent.handled_at.is_not(None)
            return session.scalar(select(func.count(InboxEvent.id)).where(*done)) or 0

    def completed(self) -> set[str]:
        """Jobs that were noted as completed."""
        with reading(self.sessions) as session:
            return set(session.scalars(select(JobRun.job).where(JobRun.state == "completed")))


@pytest.fixture
def world(
    empty_postgresql: Engine, prefect: PrefectServer, tmp_path: Path
) -> Iterator[tuple[World, SmtpServer, Broker]]:
    """The world, its mail server with a record of its own, and its broker."""
    sessions = make_sessions(empty_postgresql)
    load_sample(sessions, datetime.now(UTC), therapists=40)
    _let_the_platform_speak(sessions)
    url = empty_postgresql.url.update_query_dict(UNHURRIED).render_as_string(hide_password=False)
    prefect.start()
    with SmtpServer(journal=tmp_path / "journal") as mail, broker() as kafka:
        variables = environment(url, tmp_path, mail.port) | {"KAFKA_BOOTSTRAP_SERVERS": kafka.servers}
        _run("relay-events", variables, tmp_path)  # the sample's past
        with empty_postgresql.begin() as connection:
            connection.execute(text(GATED))
        made = World(empty_postgresql, prefect, variables, tmp_path)
        yield made, mail, kafka
        made.worker.kill()
        made.worker.wait()
        with empty_postgresql.begin() as connection:
            connection.execute(text(OPEN))


def _let_the_platform_speak(sessions: Sessions) -> None:
    said = [
        event("therapist.created", therapist_id=90_101, therapist_data=THERAPIST),
        event("patient.created", patient_id=90_201, patient_data=PATIENT),
        event("match.created", minutes=1, match_id=90_301, patient_id=90_201, therapist_id=90_101),
    ]
    with writing(sessions) as session:
        receive(session, said, clock(session))


def strike(world: World, fault: Callable[[World], object]) -> list[Any]:
    """Break something while all flows are in the middle; return the ids of their runs."""
    with world.held():
        ids = world.launch()
        assert becomes_true(lambda: world.waiting() >= len(FLOWS), PATIENCE, every=0.2), world.states(ids)
        fault(world)
    return ids


def finish_without_prefect(world: World, folder: Path) -> None:
    """The next run of every job, as cron would start it."""
    commands = [
        *(name for name in FLOWS if name not in ("check-invariants", "handle-matching-events")),
        "handle-events",
    ]
    for name in commands:
        _run(name, world.variables, folder)


def _run(job: str, variables: dict[str, str], folder: Path) -> None:
    run = start_command(["run", job, "--json"], variables, folder / job)
    run.join(120)
    assert run.exitcode == 0, (folder / job).read_text()


def judge(world: World, mail: SmtpServer, kafka: Broker, folder: Path, case: str, figure: Note) -> None:
    """One more run of each job finds what is left; then everything must tell the same story."""
    finish_without_prefect(world, folder)
    on_topic = events(kafka.servers, OURS)
    assert contradictions(world.sessions, received=[*world.past, *mail.message_ids], on_topic=on_topic) == []
    with reading(world.sessions) as session:
        assert session.scalar(select(func.count(InboxEvent.id)).where(InboxEvent.handled_at.is_(None))) == 0
    assert len(mail.received) > 20
    figure(
        case, "every flow's work done, invariants 0", f"{len(mail.received)} emails, {len(on_topic)} events, wrong 0"
    )


def kill_the_server(world: World) -> None:
    world.prefect.kill()


def restart_the_server(world: World) -> None:
    world.prefect.stop()


def kill_the_worker(world: World) -> None:
    world.worker.kill()
    world.worker.wait()


@pytest.mark.parametrize("fault", [kill_the_server, restart_the_server, kill_the_worker])
def test_runs_that_had_begun_finish_by_themselves(
    fault: Callable[[World], object], world: tuple[World, SmtpServer, Broker], tmp_path: Path, figure: Note
) -> None:
    here, mail, kafka = world
    ids = strike(here, fault)
    here.prefect.start()
    assert becomes_true(lambda: len(here.completed()) == len(FLOWS), PATIENCE, every=0.2), here.states(ids)
    assert becomes_true(lambda: here.states(ids) == {"Completed"}, PATIENCE, every=0.5), here.states(ids)
    judge(here, mail, kafka, tmp_path, f"Prefect: {fault.__name__.replace('_', ' ')} during each flow", figure)


def test_what_a_worker_that_was_told_to_stop_cut_off_the_next_run_finishes(
    world: tuple[World, SmtpServer, Broker], tmp_path: Path, figure: Note
) -> None:
    """One is waited for: where Prefect keeps its own rows in SQLite, it forgets to watch some of seven at once."""
    here, mail, kafka = world

    def stop_the_worker(world: World) -> None:
        world.worker.terminate()
        assert becomes_true(lambda: world.waiting() == 0 or world.worker.poll() is not None, 60, every=0.2)

    ids = strike(here, stop_the_worker)
    here.worker.wait(timeout=60)
    judge(here, mail, kafka, tmp_path, "Prefect: stop the worker during each flow", figure)
    began = time.monotonic()
    assert becomes_true(lambda: "Crashed" in here.states(ids), SILENCE + PATIENCE, every=1), here.states(ids)
    promise = f"ended by the automation after {SILENCE:.0f} s of silence"
    figure("Prefect: a run of a worker that was stopped", promise, f"{time.monotonic() - began:.0f} s later")


def test_with_kafka_and_prefect_away_at_once_the_work_goes_on_and_afterwards_nothing_is_missing(
    world: tuple[World, SmtpServer, Broker], tmp_path: Path, figure: Note
) -> None:
    here, mail, kafka = world
    here.await_worker()
    known = here.variables | {"PREFECT_API_URL": here.prefect.url}
    programs = [start_command([name], known, tmp_path / name) for name in ("launcher", "relay")]
    kafka.freeze()
    here.prefect.kill()

    _run("daily-batch", here.variables, tmp_path)
    sent = len(mail.received)

    kafka.thaw()
    here.prefect.start()
    publish(kafka.servers, "patient-events", [("90202", _a_new_patient())])
    assert becomes_true(lambda: here.handled("patient.created") == 2, PATIENCE, every=0.2)
    assert becomes_true(lambda: unpublished(here.sessions) == 0, PATIENCE, every=0.2)
    for program in programs:
        program.terminate()
        program.join(60)
    assert sent > 20
    judge(here, mail, kafka, tmp_path, "Kafka and Prefect away at once", figure)


def _a_new_patient() -> bytes:
    return event_bytes("patient.created", at=datetime.now(UTC), patient_id=90_202, patient_data=PATIENT)
