"""`comms deploy` against a real Prefect server, twice, with a run between that dies before it begins."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

pytestmark = pytest.mark.whole
T = TypeVar("T")


@pytest.fixture(scope="module")
def deployed(prefect_server: str) -> str:
    """Of the runs that other tests had begun here, none may keep the slot of its deployment."""
    deploy(prefect_server, "deploy(alone=True)")
    return prefect_server


def deploy(url: str, how: str = "deploy()") -> None:
    """In a process of its own, for Prefect's command line sets up logging for the whole process."""
    environment = os.environ | {"PREFECT_API_URL": url}
    program = f"from comms.local_stack.deploy import deploy; {how}"
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)


def with_client(question: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    from prefect.client.orchestration import get_client

    async def ask() -> T:
        async with get_client() as client:
            return await question(client)

    return asyncio.run(ask())


async def found(client: Any) -> dict[str, Any]:
    deployments = await client.read_deployments()
    return {
        "deployments": sorted((d.name, d.entrypoint, len(d.schedules), d.work_pool_name) for d in deployments),
        "automations": sorted(automation.name for automation in await client.read_automations()),
        "pools": [(pool.name, pool.type) for pool in await client.read_work_pools()],
    }


@pytest.mark.usefixtures("prefect_api")
def test_it_makes_schedules_that_really_schedule(deployed: str) -> None:
    """Prefect's scheduler alone, with SQLAlchemy 2.1, makes no run and only logs an error."""

    async def scheduled(client: Any) -> Counter[str]:
        for _ in range(150):
            runs = [run for run in await client.read_flow_runs(limit=200) if run.auto_scheduled]
            by_deployment = {deployment.id: deployment.name for deployment in await client.read_deployments()}
            times = Counter(by_deployment[run.deployment_id] for run in runs)
            if {*times} >= {"daily-batch", "send-queue", "follow-ups", "sync-platform"}:
                nights = [run for run in runs if by_deployment[run.deployment_id] == "daily-batch"]
                assert {run.expected_start_time.astimezone(ZoneInfo("Europe/Berlin")).hour for run in nights} == {1}
                return times
            await asyncio.sleep(0.2)
        raise AssertionError("nothing was scheduled")

    times = with_client(scheduled)
    assert times["send-queue"] >= 25
    assert times["follow-ups"] >= 3


@pytest.mark.usefixtures("prefect_api")
def test_again_it_changes_nothing_and_ends_a_run_that_died_before_it_began(deployed: str) -> None:
    from prefect.states import Pending

    async def die(client: Any) -> tuple[Any, Any]:
        queue = await client.read_deployment_by_name("send-queue/send-queue")
        first = await client.create_flow_run_from_deployment(queue.id)
        await client.set_flow_run_state(first.id, Pending())
        second = await client.create_flow_run_from_deployment(queue.id)
        return first.id, (await client.set_flow_run_state(second.id, Pending())).state

    async def look(client: Any) -> tuple[Any, Any]:
        queue = await client.read_deployment_by_name("send-queue/send-queue")
        later = await client.create_flow_run_from_deployment(queue.id)
        state = (await client.set_flow_run_state(later.id, Pending())).state
        return (await client.read_flow_run(dead)).state, state

    before = with_client(found)
    dead, refused = with_client(die)
    assert refused.is_cancelled()

    deploy(deployed, "deploy(alone=True)")

    ended, let_in = with_client(look)
    assert ended.is_crashed()
    assert let_in.is_pending()
    assert with_client(found) == before
    assert before["automations"] == ["end runs which died", "end runs which never began"]
    assert before["pools"] == [("comms", "process")]


@pytest.mark.usefixtures("prefect_api")
def test_the_doctor_finds_all_of_it_well_and_names_what_was_switched_off(deployed: str) -> None:
    from comms.config import Settings
    from comms.doctor.prefect import look

    async def work(client: Any) -> None:
        await client.send_worker_heartbeat("comms", "a test", heartbeat_interval_seconds=30)

    async def switch_off(client: Any) -> None:
        await client.pause_deployment((await client.read_deployment_by_name("follow-ups/follow-ups")).id)
        first, *_ = await client.read_automations()
        await client.pause_automation(first.id)

    def trouble() -> list[str]:
        settings = Settings(_env_file=None, prefect_api_url=deployed)  # type: ignore[call-arg]
        return [finding.words for finding in look(settings) if finding.state != "ok"]

    with_client(work)
    assert trouble() == []
    with_client(switch_off)
    assert trouble() == ["follow-ups is paused: it will not run", "missing or switched off: end runs which died"]
    deploy(deployed)
    with_client(work)
    assert trouble() == []


def test_a_server_that_does_not_answer_is_named() -> None:
    environment = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    told = subprocess.run(
        [sys.executable, "-m", "comms.cli", "deploy"], env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stderr.startswith("temporary: the Prefect server of PREFECT_API_URL does not answer")


def test_without_a_server_it_says_which_setting_is_missing() -> None:
    told = subprocess.run([sys.executable, "-m", "comms.cli", "deploy"], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "PREFECT_API_URL: not set" in told.stderr
