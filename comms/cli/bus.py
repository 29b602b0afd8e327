"""`comms relay` and `comms launcher`: the two long-running programs between the database and Kafka."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

IDLE = 0.5
"""Seconds between two looks into an empty outbox."""

STANDBY = 1.0
REST = 2.0

log = logging.getLogger("comms.relay")


def relay() -> None:
    """Publish events as they come, until it is asked to end. A second one stands by and takes over."""
    from comms.bootstrap.enduring import endure
    from comms.bootstrap.events import require_relay

    running = require_relay()
    with _until_asked() as stop:
        try:
            endure(lambda: _turn(running.round()), stop, log)
        finally:
            running.close()


def _turn(done: object) -> float:
    """Tell what a round did, and say how long to wait."""
    from comms.services.relaying import Round

    assert isinstance(done, Round)
    if done.published or done.refused or done.recovered or done.fault:
        log.info(
            "round standing=%s published=%d refused=%d recovered=%d fault=%s",
            done.standing, done.published, done.refused, done.recovered, done.fault,
        )  # fmt: skip
    waits = {"standby": STANDBY, "away": REST}
    return waits.get(done.standing, IDLE if done.idle else 0.0)


def launcher() -> None:
    """Read the platform's topics, keep what it says, and launch the runs that handle it, until asked to end."""
    from flows.kafka_launcher import run_launcher

    with _until_asked() as stop:
        run_launcher(stop)


@contextmanager
def _until_asked() -> Iterator[threading.Event]:
    """SIGTERM and Ctrl-C finish what is under way; logs go to stderr, one line each."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it writes addresses and repeats itself; we tell codes
    stop = threading.Event()
    for what in (signal.SIGTERM, signal.SIGINT):
        signal.signal(what, lambda *_: stop.set())
    yield stop
