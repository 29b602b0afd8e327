"""The database: does it answer, in this version, over TLS; may we do what we need, and no more; do the clocks agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from comms.config import Settings
from comms.config.faults import is_loopback
from comms.doctor.findings import Finding, fault, ok, warning
from comms.errors import DatabaseNotReady
from comms.store.engines import make_engine
from comms.store.models import Base
from comms.store.version import require_current

SUBJECT = "database"
DRIFT = 2.0
"""Seconds between two clocks that need no word: the question itself takes a while."""
WRONG = 30.0
"""From here on leases and dates are wrong."""


def look(settings: Settings) -> Iterator[Finding]:
    """Ask the database of the settings."""
    engine = make_engine(settings.database_url)
    try:
        require_current(engine)
        yield ok(SUBJECT, f"{engine.dialect.name} answers and has the schema of this version")
    except DatabaseNotReady as error:
        yield fault(SUBJECT, str(error).partition(": ")[0].partition(";")[0], "comms db upgrade")
    except SQLAlchemyError:
        yield fault(SUBJECT, "does not answer", "does it run, and is DATABASE_URL right? `psql` tells more")
    else:
        yield from _rights(engine, settings)
    finally:
        engine.dispose()


def _rights(engine: Engine, settings: Settings) -> Iterator[Finding]:
    if engine.dialect.name == "sqlite":
        yield from _of_file(Path(str(engine.url.database)))
        return
    with engine.connect() as connection:
        yield from _of_role(connection, settings.environment == "production")
        yield from _transport(connection, str(engine.url.host or ""))
        yield _clock(connection)


def _of_file(path: Path) -> Iterator[Finding]:
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        yield fault(SUBJECT, f"{path} and its folder cannot be written", "give both to the user of the service")


def _of_role(connection: Connection, production: bool) -> Iterator[Finding]:
    """It reads and writes every table, and where it matters it can do nothing else."""
    tables = ", ".join(table for table in sorted(Base.metadata.tables) if not _may_use(connection, table))
    if tables:
        yield fault(SUBJECT, f"the role may not read and write: {tables}", "psql -f deployments/postgres/roles.sql")
    power = connection.scalar(text(_TOO_MUCH))
    if power and production:
        yield warning(SUBJECT, f"the role {power}: it could do more than this service", _CURE)
    elif not tables:
        yield ok(SUBJECT, f"the role reads and writes{f', and {power}' if power else ' and can change no table'}")


_CURE = "let the service log in as comms_app: deployments/postgres/roles.sql"
_TOO_MUCH = """
    SELECT CASE WHEN rolsuper THEN 'is a superuser'
        WHEN EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema()
                     AND pg_has_role(current_user, tableowner, 'USAGE')) THEN 'owns the tables'
        WHEN has_schema_privilege(current_schema(), 'CREATE') THEN 'may create tables' END
    FROM pg_roles WHERE rolname = current_user
"""


def _may_use(connection: Connection, table: str) -> bool:
    asked = text("SELECT bool_and(has_table_privilege(:table, p)) FROM unnest(string_to_array(:all, ',')) p")
    return bool(connection.scalar(asked, {"table": table, "all": "SELECT,INSERT,UPDATE,DELETE"}))


def _transport(connection: Connection, host: str) -> Iterator[Finding]:
    version = connection.scalar(text("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"))
    if version:
        yield ok(SUBJECT, f"the connection is encrypted ({version})")
    elif not (is_loopback(host) or host.startswith("/") or not host):
        yield fault(SUBJECT, "health data goes there in clear", "add ?sslmode=verify-full to DATABASE_URL")


def _clock(connection: Connection) -> Finding:
    there: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return compare_clocks("clock", "the database's", abs((datetime.now(UTC) - there).total_seconds()))


def compare_clocks(subject: str, whose: str, seconds: float) -> Finding:
    """Judge how far this machine's clock is from another one."""
    if seconds <= DRIFT:
        return ok(subject, f"is {whose}, within {DRIFT:.0f} s")
    tell = fault if seconds > WRONG else warning
    return tell(subject, f"is {seconds:.0f} s away from {whose}", "let both machines ask a time server (NTP)")
