"""Flow runs against a real Prefect server: what they do and show, what a retry does, what Prefect gets to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from comms.bootstrap import jobs
from comms.config import get_config
from comms.store.models import Email, JobRun
from comms.store.session import Sessions, reading, writing
from tests.factories import make_email, make_request, make_therapist
from tests.faults.judging import contradictions
from tests.installation import environment
from tests.servers.commands import start_command
from tests.servers.platform import PlatformServer, german_patient, german_request, german_therapist
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.usefixtures("prefect_api")


def ask(rows: Sessions, therapists: int) -> None:
    with writing(rows) as session:
        for _ in range(therapists):
            make_request(session, make_therapist(session, last_name="Geheimrat"))


def count(rows: Sessions, *where: Any) -> int:
    with reading(rows) as session:
        return session.scalar(select(func.count(Email.id)).where(*where)) or 0


async def start(flow: Any, **parameters: Any) -> Any:
    """Create a flow run without running it."""
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    async with get_client() as client:
        return await client.create_flow_run(flow, parameters=parameters, state=Scheduled())


async def run(flow: Any, flow_run: Any) -> Any:
    """Run it, as a worker's child would; return its state."""
    from prefect.flow_engine import run_flow

    return await run_flow(flow, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")


async def run_again(flow: Any, flow_run: Any) -> Any:
    """Do what the button "Retry" of the UI does, and run it."""
    from prefect.client.orchestration import get_client
    from prefect.states import AwaitingRetry

    async with get_client() as client:
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)
        return await run(flow, await client.read_flow_run(flow_run.id))


async def tasks_of(flow_run: Any, last: str) -> dict[str, Any]:
    """{name: the latest task run of this name}, once the server, which records them late, has the one named `last`."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
    async with get_client() as client:
        for _ in range(100):
            found = await client.read_task_runs(flow_run_filter=of_run)
            if last in {task.name for task in found} and all(task.state and task.state.is_final() for task in found):
                break
            await asyncio.sleep(0.1)
    return {task.name: task for task in sorted(found, key=lambda task: task.start_time or task.created)}


async def artifact_of(flow_run: Any) -> Any:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType

    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]), type=ArtifactFilterType(any_=["table"])
    )
    async with get_client() as client:
        (found,) = await client.read_artifacts(artifact_filter=wanted)
    return found


def failing_once(step: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """A step that fails at its first call and then works."""
    failures = [error]

    def fail(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return step(*arguments, **named)

    return fail


def test_the_daily_batch_plans_makes_sends_and_tells_in_a_table(rows: Sessions, relay: SmtpServer) -> None:
    from flows.daily_batch import schedule_daily_batch_processing as flow

    ask(rows, 3)

    async def story() -> tuple[Any, Any, Any, Any]:
        flow_run = await start(flow, chunk_size=2)
        state = await run(flow, flow_run)
        return flow_run, state, await tasks_of(flow_run, "summarise"), await artifact_of(flow_run)

    flow_run, state, tasks, artifact = asyncio.run(story())

    assert state.is_completed()
    assert (count(rows, Email.status == "sent", Email.batch_id == str(flow_run.id)), len(relay.received)) == (3, 3)
    assert _edges(tasks) == {
        "ask the platform": set(),
        "plan": {"ask the platform"},
        "create emails, chunk 1": {"plan"},
        "create emails, chunk 2": {"plan"},
        "send, round 1": {"create emails, chunk 1", "create emails, chunk 2"},
        "book calls": {"send, round 1"},
        "tell the platform": {"book calls"},
        "summarise": set(tasks) - {"summarise"},
    }
    assert artifact.key == "daily-batch"
    assert '"emails made", "number": 3' in artifact.data
    assert "Geheimrat" not in artifact.data + artifact.description
    with reading(rows) as session:
        noted = session.scalars(select(JobRun)).one()
        assert (noted.key, noted.state, noted.counts["emails"]) == (str(flow_run.id), "completed", 3)


def _edges(tasks: dict[str, Any]) -> dict[str, set[str]]:
    names = {task.id: name for name, task in tasks.items()}
    return {
        name: {names[edge.id] for edges in task.task_inputs.values() for edge in edges if edge.input_type == "task_run"}
        for name, task in tasks.items()
    }


def test_a_retry_redoes_only_what_is_left(rows: Sessions, relay: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.daily_batch import schedule_daily_batch_processing as flow

    ask(rows, 2)
    monkeypatch.setattr(jobs, "send", failing_once(jobs.send, KeyError("praxis@geheim.example")))

    async def story() -> tuple[Any, int, Any, Any]:
        flow_run = await start(flow, chunk_size=1)
        first = await run(flow, flow_run)
        made = count(rows)
        second = await run_again(flow, flow_run)
        return first, made, second, await tasks_of(flow_run, "summarise")

    first, made, second, tasks = asyncio.run(story())

    assert first.is_failed()
    assert "geheim" not in str(first.message)
    assert made == 2
    assert second.is_completed()
    assert (count(rows), len(relay.received)) == (2, 2)
    states = {name: task.state.name for name, task in tasks.items()}
    assert states["plan"] == states["create emails, chunk 1"] == states["create emails, chunk 2"] == "Cached"
    assert states["send, round 1"] == "Completed"
    with reading(rows) as session:
        assert session.scalars(select(JobRun.state)).one() == "completed"


def test_the_same_night_from_prefect_and_from_cron_at_once_writes_to_everybody_once(
    rows: Sessions, relay: SmtpServer, tmp_path: Path
) -> None:
    from flows.daily_batch import schedule_daily_batch_processing as flow

    ask(rows, 12)
    here = environment(f"sqlite:///{tmp_path / 'comms.db'}", tmp_path, relay.port)

    async def story() -> tuple[Any, Any]:
        flow_run = await start(flow, chunk_size=1)
        cron = start_command(["run", "daily-batch", "--chunk-size", "1", "--json"], here, tmp_path / "cron")
        return await run(flow, flow_run), cron

    state, cron = asyncio.run(story())
    cron.join(60)

    assert (state.is_completed(), cron.exitcode) == (True, 0)
    assert (count(rows), len(relay.received), len({r.recipients for r in relay.received})) == (12, 12, 12)
    assert contradictions(rows, received=relay.message_ids) == []
    with reading(rows) as session:
        assert session.scalars(select(JobRun.state)).all() == ["completed", "completed"]


def test_a_database_that_is_away_for_a_moment_is_asked_again(
    rows: Sessions, relay: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.send_queue import process_email_queue as flow

    away = OperationalError("UPDATE emails SET …", {"to": "praxis@geheim.example"}, Exception("connection lost"))
    monkeypatch.setattr(jobs, "send", failing_once(jobs.send, away))

    async def story() -> tuple[Any, Any]:
        flow_run = await start(flow)
        state = await run(flow, flow_run)
        return state, await tasks_of(flow_run, "send, round 1")

    state, tasks = asyncio.run(story())

    assert state.is_completed()
    assert tasks["send, round 1"].run_count == 2


def test_a_dry_run_shows_what_would_be_and_writes_nothing(rows: Sessions, relay: SmtpServer) -> None:
    from flows.daily_batch import schedule_daily_batch_processing as flow

    ask(rows, 2)

    async def story() -> Any:
        flow_run = await start(flow, dry_run=True, at="2030-01-01T01:00:00+01:00")
        assert (await run(flow, flow_run)).is_completed()
        return await artifact_of(flow_run)

    artifact = asyncio.run(story())

    assert '"emails that would be made", "number": 2' in artifact.data
    assert artifact.description.startswith("Dry run as of 01.01.2030 01:00")
    assert (count(rows), relay.received) == (0, [])
    with reading(rows) as session:
        assert session.scalars(select(JobRun)).all() == []


def test_the_morning_books_calls(rows: Sessions, relay: SmtpServer) -> None:
    from flows.follow_ups import check_unanswered_emails as flow

    with writing(rows) as session:
        make_request(session, make_therapist(session, email=None, mailbox=None))

    async def story() -> Any:
        flow_run = await start(flow)
        state = await run(flow, flow_run)
        return await state.result(), await artifact_of(flow_run)

    counts, artifact = asyncio.run(story())

    assert counts["scheduled"] == 1
    assert '"calls booked", "number": 1' in artifact.data


def test_the_platform_is_asked_and_told_and_prefect_hears_counts_only(
    rows: Sessions, relay: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.sync_platform import sync_platform as flow

    with PlatformServer() as server:
        server.requests = [german_request(301, 201, 101), german_request(302, 201, 102)]
        server.therapists = {101: german_therapist(101, nachname="Geheimrat")}
        server.patients = {201: german_patient(201)}
        for name in ("MATCHING", "THERAPIST", "PATIENT"):
            monkeypatch.setenv(f"PLATFORM_{name}_URL", server.url)
        get_config.cache_clear()

        async def story() -> tuple[Any, Any, Any]:
            flow_run = await start(flow)
            state = await run(flow, flow_run)
            return await state.result(), await tasks_of(flow_run, "tell the platform"), await artifact_of(flow_run)

        counts, tasks, artifact = asyncio.run(story())

    asked = counts["platform"]["asked"]
    assert (asked["requests_new"], asked["therapists_learned"], asked["patients_learned"]) == (2, 1, 1)
    assert asked["faults"] == {"therapist_unknown": 1}
    assert _edges(tasks) == {"ask the platform": set(), "tell the platform": {"ask the platform"}}
    assert '"platform: therapist unknown", "number": 1' in artifact.data
    assert "Geheimrat" not in artifact.data + str(counts)


def test_a_broken_promise_fails_the_nightly_run_and_its_artifact_names_the_row(rows: Sessions) -> None:
    from flows.check_invariants import check_invariants as flow

    with writing(rows) as session:
        email = make_email(session, make_therapist(session, last_name="Geheimrat"))

    async def story() -> tuple[Any, Any]:
        flow_run = await start(flow)
        return await run(flow, flow_run), await artifact_of(flow_run)

    state, artifact = asyncio.run(story())

    assert (state.is_failed(), "waits_without_contact" in str(state.message)) == (True, True)
    assert f"email:{email.id}" in artifact.data
    assert "Geheimrat" not in artifact.data + str(state.message)
