"""A database clock that only moves when it is told: on PostgreSQL a function that is found before the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, event, text

from comms.store.session import Sessions, writing

SCHEMA = """
    CREATE SCHEMA told;
    CREATE TABLE told.clock AS SELECT pg_catalog.clock_timestamp() AS now;
    CREATE FUNCTION told.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT now FROM told.clock'
"""


@contextmanager
def told_clock(engine: Engine) -> Iterator[None]:
    """While it lasts, `clock()` on this engine tells what `tell` said; SQLite has the machine's, which tests move."""
    if engine.dialect.name != "postgresql":
        yield
        return
    engine.dispose()
    event.listen(engine, "connect", _look_there_first)
    try:
        with engine.begin() as connection:
            connection.execute(text(SCHEMA))
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA told CASCADE"))
        event.remove(engine, "connect", _look_there_first)
        engine.dispose()


def _look_there_first(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO told, pg_catalog, public")
    connection.commit()


def tell(sessions: Sessions, now: datetime) -> None:
    with writing(sessions) as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("UPDATE told.clock SET now = :now"), {"now": now})
