"""`comms launcher`: from the platform's topics to flow runs, for as long as it lives."""

from __future__ import annotations

import logging
import threading

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectException

from comms.bootstrap import events
from comms.bootstrap.enduring import endure
from comms.errors import Temporary
from comms.services.inbox.launching import Turn

DEPLOYMENT = f"{events.HANDLE_EVENTS}/{events.HANDLE_EVENTS}"
POLL = 1.0
REST = 2.0
"""Seconds to wait after the broker was away."""

log = logging.getLogger("comms.launcher")


def run_launcher(stop: threading.Event) -> None:
    """Read, keep and launch until `stop` is set; what is under way is finished."""
    with get_client(sync_client=True) as client:
        launcher = events.make_launcher(lambda key: launch(client, key))
        try:
            endure(lambda: _tell(launcher.turn(POLL)), stop, log)
        finally:
            launcher.close()


def launch(client: SyncPrefectClient, key: str) -> None:
    """Ask Prefect for one run of the handler; the same key twice is one run. Temporary where nobody answers."""
    try:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        client.create_flow_run_from_deployment(deployment.id, idempotency_key=key)
    except (PrefectException, httpx.HTTPError) as error:
        raise Temporary(f"Prefect did not take the run: {type(error).__name__}") from None


def _tell(turn: Turn) -> float:
    """Write one line where something happened; returns how long to wait."""
    got = turn.received
    if got.messages or turn.launched or turn.fault:
        log.info(
            "turn messages=%d new=%d known=%d unknown=%d dead=%d launched=%s fault=%s",
            got.messages, got.new, got.known, got.unknown, got.dead, turn.launched, turn.fault,
        )  # fmt: skip
    return REST if turn.fault else 0.0
