"""`comms launcher`: from the platform's topics to flow runs, for as long as it lives."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from comms import logs, tracing
from comms.bootstrap import events, settings
from comms.bootstrap.enduring import endure
from comms.bootstrap.metrics import LauncherMetrics, telling
from comms.config.kafka import KafkaSettings
from comms.errors import Temporary
from comms.services.inbox.launching import Turn

if TYPE_CHECKING:  # loading Prefect takes two seconds, and a quiet launcher never needs it
    from prefect.client.orchestration import SyncPrefectClient

DEPLOYMENT = f"{events.HANDLE_EVENTS}/{events.HANDLE_EVENTS}"
POLL = 1.0
REST = 2.0
"""Seconds to wait after the broker was away."""

SOON = timedelta(minutes=2)
"""A run that waits for its turn is due by then; one that a person planned for tonight is not."""

log = logs.logger("comms.launcher")


def run_launcher(kafka: KafkaSettings, stop: threading.Event, *, launches: bool) -> None:
    """Read, keep and launch until `stop` is set; what is under way is finished."""
    launcher, metrics = events.make_launcher(kafka, launch if launches else None), LauncherMetrics()

    def turn() -> float:
        done = launcher.turn(POLL)
        metrics.count(done)
        return _tell(done)

    with telling(metrics.registry, settings().launcher_metrics_port, "COMMS_LAUNCHER_METRICS_PORT"), closing(launcher):
        log.info("ready", launches=launches)
        endure(turn, stop, "comms.launcher")


def launch(key: str) -> None:
    """Ask Prefect for one run of the handler, unless one waits to begin: it will find what is stored by now.

    The same key twice is one run. Raises Temporary where Prefect does not answer or knows no such deployment.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    try:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
            if not _one_waits(client, deployment.id):
                client.create_flow_run_from_deployment(deployment.id, idempotency_key=key)
    except (PrefectException, httpx.HTTPError) as error:
        raise Temporary(f"Prefect did not take the run: {type(error).__name__}") from None


def _one_waits(client: SyncPrefectClient, deployment_id: UUID) -> bool:
    """Say whether a run has not begun. Nothing works on runs while no worker is there, and they must not pile up."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    waiting = filters.FlowRunFilter(
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment_id]),
        state=filters.FlowRunFilterState(
            type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING])
        ),
        expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) + SOON),
    )
    return bool(client.read_flow_runs(flow_run_filter=waiting, limit=1))


def _tell(turn: Turn) -> float:
    """Write one line where something happened; returns how long to wait."""
    got = turn.received
    if got.messages or turn.launched or turn.fault:
        log.info("poll", **vars(got), launched=turn.launched, fault=turn.fault)
        tracing.mark("poll", got.event_ids, **vars(got) | {"event_ids": ()}, launched=turn.launched, fault=turn.fault)
    return REST if turn.fault else 0.0
