"""What differs between SQLite and PostgreSQL: connecting, beginning to write, claiming rows, the clock, upserts."""

from __future__ import annotations

import importlib
import sqlite3
import threading
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Select, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from comms.errors import BadInput

BUSY_TIMEOUT_MS = 30_000
MAX_KEYS = 10_000
"""Keys in one statement: SQLite binds at most 32,766 values, and a key takes three."""


def normalise_url(url: str) -> URL:
    """Accept `postgres://` and `postgresql://` for psycopg2, and SQLite; BadInput for anything else."""
    for short in ("postgres://", "postgresql://"):
        if url.startswith(short):
            url = "postgresql+psycopg2://" + url.removeprefix(short)
    try:
        parsed = make_url(url)
    except Exception as error:
        raise BadInput("not a database URL", where="DATABASE_URL") from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadInput("only sqlite and postgresql are supported", where="DATABASE_URL")
    return parsed


def make_engine(url: str | URL, *, ask_first: bool = True) -> Engine:
    """Make the process's engine. A SQLite file is not created here; its absence is an error at the first use.

    Before a connection of the pool is used PostgreSQL is asked whether it is still there, which costs a round trip;
    `ask_first=False` is for whoever works `persistently`.
    """
    parsed = normalise_url(url) if isinstance(url, str) else url
    return _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed, ask_first)


def make_glancing(engine: Engine) -> Engine:
    """An engine on the same database for what only reads, `persistently`: on PostgreSQL without a transaction.

    That saves the round trips of BEGIN and ROLLBACK. Two statements see two moments, as they do in a transaction there
    (READ COMMITTED). Nothing may be locked with it.
    """
    if engine.dialect.name == "sqlite":
        return engine
    return _postgresql(engine.url, ask_first=False, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)


def _sqlite(url: URL) -> Engine:
    waiting = {"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}
    engine = create_engine(url, hide_parameters=True, connect_args=waiting)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `_begin` does
        for pragma in (
            "journal_mode=WAL",
            "foreign_keys=ON",
            "synchronous=FULL",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    engine.dialect.do_savepoint = partial(_say, "SAVEPOINT")  # type: ignore[method-assign]
    engine.dialect.do_release_savepoint = partial(_say, "RELEASE SAVEPOINT")  # type: ignore[method-assign]
    turn = threading.Lock()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("comms_writes", False):
            _take(turn, connection)
            _say("BEGIN", connection, "IMMEDIATE")
        else:
            _say("BEGIN", connection, "DEFERRED")

    @event.listens_for(engine, "checkin")
    def _returned(_connection: object, record: ConnectionPoolEntry) -> None:
        if record.record_info and record.record_info.pop(_TURN, False):
            turn.release()

    return engine


def _say(words: str, connection: Connection, name: str) -> None:
    """Say it to the driver, its error as SQLAlchemy's: that would compile SAVEPOINT anew each time, which is dear."""
    statement = f"{words} {name}"
    try:
        connection.connection.cursor().execute(statement)
    except sqlite3.Error as error:
        raise OperationalError(statement, None, error) from error


_TURN = "comms_turn"


def _take(turn: threading.Lock, connection: Connection) -> None:
    """Let the writers of this process wait for each other here: SQLite would have each of them sleep and look again."""
    info = connection.connection.record_info
    if info is not None and turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
        info[_TURN] = True


_NOTICED = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""A server that vanishes without a word is noticed after some 60 s, and not when the kernel gives up after hours."""


_LIMITS = "-c statement_timeout=60000 -c lock_timeout=30000 -c idle_in_transaction_session_timeout=60000"
_ALWAYS = "-c synchronous_commit=on -c timezone=UTC"
"""Whatever the server or the URL says: else a crash loses marks that were committed, and times are local."""


def _postgresql(url: URL, ask_first: bool, **differing: Any) -> Engine:
    """What the URL says of connections goes before our limits, but not before what is always so."""
    ours = {"connect_timeout": 10, **_NOTICED}
    said = " ".join(url.normalized_query.get("options", ()))
    return create_engine(
        url,
        hide_parameters=True,  # errors would quote the row: addresses, letters, diagnoses
        pool_pre_ping=ask_first,
        pool_size=10,
        max_overflow=20,
        connect_args={name: value for name, value in ours.items() if name not in url.query}
        | {"options": f"{_LIMITS} {said} {_ALWAYS}"},
        **differing,
    )


def begin_writing(session: Session) -> None:
    """Take SQLite's only writer lock before the first read, so that no read grows stale under a later write."""
    if not session.in_transaction():
        session.connection(execution_options={"comms_writes": True})


def for_claim(session: Session, query: Select[Any]) -> Select[Any]:
    """Let several workers claim different rows at once: SKIP LOCKED, or nothing where there is one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        return query.with_for_update(skip_locked=True)
    return query


def clock(session: Session) -> datetime:
    """Tell the time as every process sees it: PostgreSQL's clock, or this machine's with SQLite."""
    if session.get_bind().dialect.name == "postgresql":
        now: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        return now.astimezone(UTC)
    return datetime.now(UTC)


def insert_for(session: Session) -> Any:
    """Return the `insert` of the session's dialect, for its ON CONFLICT clauses (one API in both)."""
    name = session.get_bind().dialect.name
    return importlib.import_module(f"sqlalchemy.dialects.{name}").insert
