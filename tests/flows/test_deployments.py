"""`prefect.yaml`: every deployment loads, has the schedule of the domain, and refuses parameters that make no sense."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from comms.bootstrap.checking import CHECK_INVARIANTS
from comms.bootstrap.events import HANDLE_EVENTS, RELAY_EVENTS
from comms.bootstrap.jobs import DAILY_BATCH, FOLLOW_UPS, SEND_QUEUE
from comms.bootstrap.platform import SYNC_PLATFORM
from comms.local_stack import POOL

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = datetime(2027, 1, 1, tzinfo=BERLIN)
WRITTEN: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())
DEPLOYMENTS = {deployment["name"]: deployment for deployment in WRITTEN["deployments"]}


def load(name: str) -> Any:
    from prefect.flows import load_flow_from_entrypoint

    return load_flow_from_entrypoint(DEPLOYMENTS[name]["entrypoint"], use_placeholder_flow=False)


def test_every_job_is_deployed() -> None:
    events = {RELAY_EVENTS, HANDLE_EVENTS}
    assert set(DEPLOYMENTS) == {DAILY_BATCH, SEND_QUEUE, FOLLOW_UPS, SYNC_PLATFORM, CHECK_INVARIANTS} | events


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_loads_as_a_flow_of_its_name_that_says_what_it_does(name: str) -> None:
    flow, deployment = load(name), DEPLOYMENTS[name]
    assert flow.name == name
    assert flow.isasync
    assert flow.description
    assert flow.description != deployment["description"]
    assert deployment["tags"]
    assert deployment["work_pool"]["name"] == POOL


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_its_own_parameters_are_accepted_and_each_parameter_says_what_it_is_for(name: str) -> None:
    from prefect.utilities.callables import parameter_schema

    flow, given = load(name), DEPLOYMENTS[name]["parameters"]
    schema = parameter_schema(flow).model_dump()["properties"]
    assert set(given) <= set(schema)
    assert flow.validate_parameters(given) or not given
    assert [parameter for parameter, told in schema.items() if not told.get("description")] == []


@pytest.mark.parametrize("name", [DAILY_BATCH, SEND_QUEUE, FOLLOW_UPS])
@pytest.mark.parametrize(
    "bad", [{"limit": 0}, {"limit": 10_001}, {"limit": "many"}, {"at": "yesterday"}, {"at": "2026-11-23T01:00:00"}]
)
def test_parameters_without_sense_are_refused(name: str, bad: dict[str, Any]) -> None:
    from prefect.exceptions import ParameterTypeError

    with pytest.raises(ParameterTypeError):
        load(name).validate_parameters(bad)


def test_the_schedules_are_those_of_the_domain() -> None:
    schedules = {name: given[0] for name, deployment in DEPLOYMENTS.items() if (given := deployment["schedules"])}
    assert schedules[DAILY_BATCH]["cron"] == "0 1 * * *"
    assert schedules[FOLLOW_UPS]["cron"] == "0 7 * * *"
    assert schedules[CHECK_INVARIANTS]["cron"] == "30 3 * * *"
    assert schedules[SEND_QUEUE]["interval"] == 120
    assert schedules[SYNC_PLATFORM]["cron"] == "20 * * * *"
    assert schedules[RELAY_EVENTS]["interval"] == 300
    assert set(DEPLOYMENTS) - set(schedules) == {HANDLE_EVENTS}  # launched when something came in
    assert {schedule["timezone"] for schedule in schedules.values()} == {"Europe/Berlin"}


def test_what_comes_again_soon_is_canceled_and_the_others_wait_for_their_turn() -> None:
    strategies = {name: deployment["concurrency_limit"] for name, deployment in DEPLOYMENTS.items()}
    assert strategies == {
        SEND_QUEUE: {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        DAILY_BATCH: {"limit": 1, "collision_strategy": "ENQUEUE"},
        FOLLOW_UPS: {"limit": 1, "collision_strategy": "ENQUEUE"},
        SYNC_PLATFORM: {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        CHECK_INVARIANTS: {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        RELAY_EVENTS: {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        HANDLE_EVENTS: {"limit": 1, "collision_strategy": "ENQUEUE"},
    }


async def _dates(name: str, count: int) -> list[datetime]:
    from prefect.server.schemas.schedules import CronSchedule

    written = DEPLOYMENTS[name]["schedules"][0]
    schedule, found = CronSchedule(cron=written["cron"], timezone=written["timezone"]), [BEGIN]
    while len(found) <= count:  # it gives at most a thousand at a time
        found += await schedule.get_dates(1000, start=found[-1] + timedelta(seconds=1))
    return found[1:]


@pytest.mark.parametrize(("name", "hour"), [(DAILY_BATCH, 1), (FOLLOW_UPS, 7)])
def test_on_3000_days_in_a_row_it_runs_once_at_its_local_hour(name: str, hour: int) -> None:
    """Sixteen changes of the clocks are among them, two ends of February in a leap year, and all ends of months."""
    local = [date.astimezone(BERLIN) for date in asyncio.run(_dates(name, 3000))]
    assert {(date.hour, date.minute) for date in local} == {(hour, 0)}
    assert [date.date() for date in local] == [BEGIN.date() + timedelta(days=n) for n in range(len(local))]
    assert len(local) >= 3000
