"""The full circle: a program that is not ours speaks on the bus; requests, flow runs, mails and our events follow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from comms.bootstrap.whole_jobs import run_daily_batch, run_relay_events
from comms.config import get_config
from comms.services.inbox import receive
from comms.services.published import PUBLISHED
from comms.store.engines import clock
from comms.store.models import Email, InboxEvent, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.local_stack.parts import becomes_true
from tests.servers.forwarding import Door
from tests.servers.kafka import APACHE, broker
from tests.servers.smtp import SmtpServer
from tests.servers.topics import events, publish
from tests.services.messages import PATIENT, THERAPIST, event, event_bytes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

THERAPISTS, PATIENTS, MATCHES = range(1001, 1041), range(2001, 2101), range(3001, 3201)
HANDLER = "handle-matching-events"
AWAY = 60.0 if APACHE else 0.0
"""Seconds for which Prefect is away, with all that was said already kept."""


@pytest.fixture
def bus(relay: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A broker, and settings that point at it."""
    with broker() as running:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", running.servers)
        monkeypatch.setenv("COMMS_KAFKA_SESSION_TIMEOUT_MS", "6000")
        monkeypatch.setenv("COMMS_KAFKA_HEARTBEAT_MS", "500")
        get_config.cache_clear()
        yield running.servers


def count(rows: Sessions, column: Any, *where: Any) -> int:
    with reading(rows) as session:
        return session.scalar(select(func.count(column)).where(*where)) or 0


def speak(servers: str) -> None:
    """What the platform's three services write, all at once; matches before those they name."""
    now = datetime.now(UTC)
    matches = {
        id_: {"match_id": id_, "therapist_id": THERAPISTS[id_ % 40], "patient_id": PATIENTS[id_ % 100]}
        for id_ in MATCHES
    }
    therapists = {id_: THERAPIST | {"email": f"praxis{id_}@therapie.example"} for id_ in THERAPISTS}
    told: dict[str, list[tuple[str, bytes]]] = {
        "matching-events": [
            (str(id_), event_bytes("match.created", at=now, **match)) for id_, match in matches.items()
        ],
        "therapist-events": [
            (str(id_), event_bytes("therapist.created", at=now, therapist_id=id_, therapist_data=facts))
            for id_, facts in therapists.items()
        ],
        "patient-events": [
            (str(id_), event_bytes("patient.created", at=now, patient_id=id_, patient_data=PATIENT)) for id_ in PATIENTS
        ],
    }
    for topic, messages in told.items():
        publish(servers, topic, messages)


ENDED = ("Completed", "Failed", "Crashed", "Cancelled")


def runs_of_the_handler() -> list[str]:
    """The states of all runs that were launched."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    async def ask() -> list[str]:
        async with get_client() as client:
            wanted = DeploymentFilter(name=DeploymentFilterName(any_=[HANDLER]))
            return [str(run.state_name) for run in await client.read_flow_runs(deployment_filter=wanted)]

    return asyncio.run(ask())


def test_a_burst_while_prefect_is_away_is_kept_then_handled_mailed_and_told(
    rows: Sessions, relay: SmtpServer, bus: str, prefect_api: str, start: Callable[..., None]
) -> None:
    everything = len(THERAPISTS) + len(PATIENTS) + len(MATCHES)
    with Door(int(urlsplit(prefect_api).port or 0)) as door:
        start("comms.local_stack.worker", "60", PREFECT_API_URL=prefect_api, PREFECT_WORKER_QUERY_SECONDS="1")
        start("comms.cli", "launcher", PREFECT_API_URL=f"http://127.0.0.1:{door.port}/api")
        speak(bus)
        assert becomes_true(lambda: count(rows, InboxEvent.id) == everything, 60)
        assert not becomes_true(lambda: count(rows, PlacementRequest.id) > 0, AWAY)

        door.open()

        assert becomes_true(lambda: count(rows, InboxEvent.id, InboxEvent.handled_at.is_(None)) == 0, 90)
        assert becomes_true(lambda: {*runs_of_the_handler()} == {"Completed"}, 90)
    assert 1 <= len(runs_of_the_handler()) <= 3
    assert count(rows, PlacementRequest.id, PlacementRequest.status == "open") == len(MATCHES)

    assert run_daily_batch(limit=500)["sending"]["sent"] == len(relay.received) == len(THERAPISTS)
    run_relay_events(limit=10_000)

    told = events(bus, "communication-events")
    assert Counter(one["eventType"] for one in told) == {
        "communication.email_created": len(THERAPISTS),
        "communication.email_sent": len(THERAPISTS),
    }
    assert len({one["eventId"] for one in told}) == len(told)
    for one in told:
        PUBLISHED[one["eventType"]].model_validate(one["payload"])
    named = {id_ for one in told for id_ in one["payload"]["placement_request_ids"]}
    assert named == set(MATCHES)


def test_where_the_settings_say_so_the_run_writes_at_once_and_shows_it(
    rows: Sessions, relay: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.handle_matching_events import handle_matching_events as flow
    from tests.flows.test_runs import artifact_of, run
    from tests.flows.test_runs import start as begin

    monkeypatch.setenv("COMMS_BATCH_ON_MATCH", "true")
    get_config.cache_clear()
    with writing(rows) as session:
        said = [
            event("therapist.created", therapist_id=101, therapist_data=THERAPIST),
            event("patient.created", patient_id=201, patient_data=PATIENT),
            event("match.created", minutes=1, match_id=301, patient_id=201, therapist_id=101),
        ]
        receive(session, said, clock(session))

    async def story() -> Any:
        flow_run = await begin(flow)
        assert (await run(flow, flow_run)).is_completed()
        return await artifact_of(flow_run)

    artifact = asyncio.run(story())

    assert count(rows, Email.id, Email.status == "sent") == len(relay.received) == 1
    assert artifact.key == HANDLER
    assert '"of them match.created", "number": 1' in artifact.data
    assert '"emails made at once", "number": 1' in artifact.data


def test_no_second_run_is_launched_while_one_waits_to_begin(prefect_api: str) -> None:
    from flows.kafka_launcher import launch
    from tests.flows.test_deploying import deploy

    deploy(prefect_api)
    for key in ("one", "two", "three"):
        launch(f"{prefect_api}-{key}")
    assert len([state for state in runs_of_the_handler() if state not in ENDED]) == 1
