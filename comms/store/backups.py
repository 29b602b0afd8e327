"""A backup is one SQLite file, whatever the service runs on: every row of one moment, in the schema of its version.

SQLite copies itself page by page; from PostgreSQL the rows are read in one snapshot. Others may write meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, exists, func, insert, select, text

from comms.errors import BadInput, Conflict, DatabaseNotReady
from comms.store.database import known_revisions, upgrade
from comms.store.engines import make_engine
from comms.store.models import Base

OURS = 0x434F4D53
"""SQLite's application id of our backups: "COMS"."""
AT_ONCE = 500
GAP = 10_000
"""Ids that were given after the backup are known elsewhere, to the platform and to people: they are not given again."""


def write_backup(engine: Engine, path: Path) -> int:
    """Write everything to a new file that its owner alone may read; how many rows. Conflict where there is a file."""
    part = path.with_name(f"{path.name}.part")
    _reserve(path, part)
    try:
        if engine.dialect.name == "sqlite":
            _copy_pages(Path(str(engine.url.database)), part)
        else:
            _copy_snapshot(engine, part)
        rows = _finish(part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return rows


def _reserve(path: Path, part: Path) -> None:
    if path.exists():
        raise Conflict(f"{path} is there already; name another file")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise BadInput(f"cannot be written ({error.strerror})", where=str(path)) from None


def _copy_pages(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here, pages=1000, sleep=0.01)


def _copy_snapshot(engine: Engine, target: Path) -> None:
    made = make_engine(f"sqlite:///{target}")
    try:
        upgrade(made)
        with _snapshot(engine) as there, made.execution_options(comms_writes=True).begin() as here:
            copy_rows(there, here)
    finally:
        made.dispose()


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """One moment of PostgreSQL, however long it takes to read."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        _without_limits(connection)
        yield connection


def _without_limits(connection: Connection) -> None:
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET LOCAL {limit} = 0"))


def _finish(path: Path) -> int:
    """Make it one sound file that says what it is, and have it on the disk."""
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode = DELETE")
        made.execute(f"PRAGMA application_id = {OURS}")
        rows: int = sum(made.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in Base.metadata.tables)  # noqa: S608
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return rows


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy every table, parents first, older rows first: what refers to others finds them."""
    for table in Base.metadata.sorted_tables:
        reading = source.execution_options(yield_per=AT_ONCE)
        found = reading.execute(select(table).order_by(*table.primary_key.columns)).mappings()
        for part in found.partitions():
            target.execute(insert(table), [dict(row) for row in part])


@contextmanager
def open_backup(path: Path) -> Iterator[Engine]:
    """Yield the backup in the schema of this version; BadInput for another file, DatabaseNotReady for a newer one.

    One of an older version is copied and upgraded beside; the file itself stays as it is.
    """
    _recognise(path)
    _require_known(path)
    with tempfile.TemporaryDirectory(prefix="comms-restore-") as folder:
        copied = Path(folder) / "backup.db"
        with closing(sqlite3.connect(copied)) as here, closing(_read_only(path)) as there:
            there.backup(here)
        engine = make_engine(f"sqlite:///{copied}")
        try:
            upgrade(engine)
            yield engine
        finally:
            engine.dispose()


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _recognise(path: Path) -> None:
    if not path.is_file():
        raise BadInput("there is no such file", where=str(path))
    try:
        with closing(_read_only(path)) as there:
            ours = there.execute("PRAGMA application_id").fetchone()[0] == OURS
            sound = ours and there.execute("PRAGMA quick_check").fetchone()[0] == "ok"
    except sqlite3.DatabaseError:
        ours = sound = False
    if not sound:
        raise BadInput("is damaged; take another backup" if ours else "is no backup of this service", where=str(path))


def _require_known(path: Path) -> None:
    with closing(_read_only(path)) as there:
        at = there.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    if at not in known_revisions():
        raise DatabaseNotReady(f"{path} is at version {at}, which is newer than this program: use the one that made it")


def replace_rows(source: Connection, target: Connection, *, replace: bool) -> None:
    """Put all rows of `source` into `target`; Conflict where that has rows of its own, unless they may be replaced."""
    full = [
        table.name
        for table in Base.metadata.sorted_tables
        if target.scalar(select(exists(select(1).select_from(table))))
    ]
    if full and not replace:
        raise Conflict(f"the database is not empty ({', '.join(full[:3])} …); with --replace its rows are thrown away")
    if target.dialect.name == "postgresql":
        _without_limits(target)
    for table in reversed(Base.metadata.sorted_tables):
        target.execute(table.delete())
    copy_rows(source, target)
    if target.dialect.name == "postgresql":
        _go_on_counting(target)


def _go_on_counting(connection: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        sequence = connection.scalar(_SEQUENCE, {"table": table.name}) if "id" in table.c else None
        if sequence:
            highest = connection.scalar(select(func.max(table.c.id))) or 0
            connection.execute(text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": highest + GAP})


_SEQUENCE = text("SELECT pg_get_serial_sequence(:table, 'id')")
