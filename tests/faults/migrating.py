"""A process that brings a database to this version, and kills itself at a statement on the way.

What SQLite is asked after the COMMIT, whether all rows point somewhere, is none of these statements.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess

from sqlalchemy import Engine, event

from comms.store.database import upgrade
from comms.store.engines import make_engine


def start_upgrade(url: str, dies_at: int) -> BaseProcess:
    """Begin; with -9 before the statement number `dies_at`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_upgrade, args=(url, dies_at), daemon=True)
    process.start()
    return process


def _upgrade(url: str, dies_at: int) -> None:
    engine, seen = make_engine(url), 0

    @event.listens_for(engine, "before_cursor_execute")
    def _count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal seen
        seen += _is_of_the_migration(statement)
        if seen == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    upgrade(engine)


def count_statements(engine: Engine) -> int:
    """Bring it to this version, unharmed; return how many statements that took."""
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: seen.append(told[2]))
    upgrade(engine)
    return sum(map(_is_of_the_migration, seen))


def _is_of_the_migration(statement: str) -> bool:
    return statement != "PRAGMA foreign_key_check"
