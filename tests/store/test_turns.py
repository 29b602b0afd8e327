"""Writers of one process take turns where the database lets one write at a time."""

from __future__ import annotations

import time
from contextlib import suppress

from sqlalchemy import text

from comms.store.engines import BUSY_TIMEOUT_MS
from comms.store.session import Sessions, writing


class Failed(Exception):
    """What a test raises in the middle of a transaction."""


def test_a_writer_that_fails_or_loses_its_connection_gives_its_turn_back(sessions: Sessions) -> None:
    began = time.monotonic()
    with suppress(Failed), writing(sessions):
        raise Failed
    with suppress(Failed), writing(sessions) as session:
        session.connection().invalidate()
        raise Failed
    with writing(sessions) as session:
        session.execute(text("SELECT 1"))
    assert time.monotonic() - began < BUSY_TIMEOUT_MS / 1000
