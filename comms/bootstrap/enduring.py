"""Programs that run for as long as they may: a database that is away for a while ends none of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from comms.bootstrap.trouble import passes

REST = 2.0
"""Seconds to wait after the database was away."""


def endure(turn: Callable[[], float], stop: threading.Event, log: logging.Logger) -> None:
    """Take turns until `stop` is set; each says how many seconds to wait. Trouble that passes is waited for."""
    while not stop.is_set():
        try:
            wait = turn()
        except Exception as error:
            if not passes(error):
                raise
            log.warning("waiting error=%s", type(error).__name__)
            wait = REST
        stop.wait(wait)
