"""Programs that run for as long as they may: a database that is away for a while ends none of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from comms import logs
from comms.bootstrap.parts import settings
from comms.bootstrap.trouble import passes

REST = 2.0
"""Seconds to wait after the database was away."""


def endure(turn: Callable[[], float], stop: threading.Event, name: str) -> None:
    """Take turns until `stop` is set; each says how many seconds to wait. Trouble that passes is waited for.

    Every turn touches NAME.alive in COMMS_HOME, by which whoever runs containers sees that it does not hang.
    """
    alive, log = settings().home / f"{name}.alive", logs.logger(name)
    while not stop.is_set():
        with suppress(OSError):  # a folder that is not there, or not ours: then it is not watched
            alive.touch()
        try:
            wait = turn()
        except Exception as error:
            if not passes(error):
                raise
            log.warning("waiting", exc_info=error)
            wait = REST
        stop.wait(wait)
