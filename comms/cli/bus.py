"""`comms relay` and `comms launcher`: the two long-running programs between the database and Kafka."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from comms import tracing

if TYPE_CHECKING:  # keeps `comms --help` fast
    from structlog.typing import FilteringBoundLogger

    from comms.services.relaying import Round

IDLE = 0.5
"""Seconds between two looks into an empty outbox."""

STANDBY = 1.0
REST = 2.0


def relay() -> None:
    """Publish events as they come, until it is asked to end. A second one stands by and takes over."""
    from comms.bootstrap import settings
    from comms.bootstrap.enduring import endure
    from comms.bootstrap.events import make_relay, require_kafka
    from comms.bootstrap.metrics import RelayMetrics, telling
    from comms.logs import logger

    given, metrics, log = settings(), RelayMetrics(), logger("comms.relay")
    running, stop = make_relay(require_kafka()), _until_asked()

    def turn() -> float:
        began = time.perf_counter()
        with metrics.round_seconds.time():
            done = running.round()
        metrics.count(done)
        return _turn(done, log, time.perf_counter() - began)

    with telling(metrics.registry, given.relay_metrics_port, "COMMS_RELAY_METRICS_PORT"), closing(running):
        log.info("ready")
        endure(turn, stop, "comms.relay")


def _turn(done: Round, log: FilteringBoundLogger, seconds: float) -> float:
    """Tell what a round did, and say how long to wait."""
    if done.published or done.refused or done.recovered or done.fault:
        log.info("wave", **vars(done))
        tracing.mark("wave", seconds=seconds, **vars(done))
    waits = {"standby": STANDBY, "away": REST}
    return waits.get(done.standing, IDLE if done.idle else 0.0)


def launcher() -> None:
    """Read the platform's topics, keep what it says, and launch the runs that handle it, until asked to end.

    Without PREFECT_API_URL it launches nothing: `comms run handle-events`, from cron, handles what it keeps.
    """
    from comms.bootstrap.events import require_kafka
    from comms.cli.stack import name_prefect

    kafka, prefect = require_kafka(), name_prefect()
    from flows.kafka_launcher import run_launcher

    run_launcher(kafka, _until_asked(), launches=prefect)


def _until_asked() -> threading.Event:
    """SIGTERM and Ctrl-C finish what is under way; what is done stands in the log."""
    from comms.bootstrap import start_logging
    from comms.cli.run import stop_on_signals

    start_logging()
    return stop_on_signals()
