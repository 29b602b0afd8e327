"""Creating, upgrading and checking the database."""

from __future__ import annotations

import os
import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from comms.errors import DatabaseNotReady
from comms.store.engines import make_engine
from comms.store.models import Base

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config() -> Config:
    """Alembic's settings without a file: the scripts lie beside this module."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to this version; creates an SQLite file and its folder where there are none."""
    if engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:"):
        _make_private(Path(str(engine.url.database)))
    with engine.connect() as connection:
        _without_foreign_keys(connection)
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        _check_foreign_keys(connection)


def _make_private(path: Path) -> None:
    """Health data lies in it: folder and file are made for their owner alone. What SQLite writes beside it follows."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _without_foreign_keys(connection: Connection) -> None:
    """SQLite's batch mode copies tables, which would delete the children of what it drops."""
    if connection.dialect.name == "sqlite":
        connection.connection.execute("PRAGMA foreign_keys=OFF")


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        connection.rollback()
        connection.connection.execute("PRAGMA foreign_keys=ON")
        if broken:
            raise DatabaseNotReady(f"{len(broken)} rows point nowhere after the migration; restore the backup")


def require_current(engine: Engine) -> None:
    """Raise DatabaseNotReady unless the schema is exactly this version's. Never creates anything."""
    if engine.dialect.name == "sqlite" and engine.url.database and not Path(engine.url.database).exists():
        raise DatabaseNotReady("there is no database yet; create it with: comms db upgrade")
    with engine.connect() as connection:
        at = MigrationContext.configure(connection).get_current_revision()
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if at != head:
        raise DatabaseNotReady(
            f"the database is at version {at or 'none'}, this program needs {head}: comms db upgrade"
        )


def known_revisions() -> set[str]:
    """Every version of the schema that this program can begin from."""
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def differences(engine: Engine) -> list[str]:
    """Say how the schema differs from the models, one line each; CHECKs and partial indexes included.

    The models are laid out in a scratch schema of the same engine and both are described in the engine's own words.
    """
    if engine.dialect.name == "sqlite":
        scratch = make_engine("sqlite://")
        Base.metadata.create_all(scratch)
        with scratch.connect() as wanted, engine.connect() as found:
            return _compare(_sqlite_words(wanted), _sqlite_words(found))
    with engine.connect() as connection:
        found_words = _postgresql_words(connection)
        connection.execute(text("CREATE SCHEMA comms_scratch"))
        connection.execute(text("SET LOCAL search_path TO comms_scratch"))
        Base.metadata.create_all(connection)
        wanted_words = _postgresql_words(connection)
        connection.rollback()
    return _compare(wanted_words, found_words)


def _compare(wanted: set[str], found: set[str]) -> list[str]:
    lines = [f"missing in the database: {line}" for line in sorted(wanted - found)]
    return lines + [f"not in the models: {line}" for line in sorted(found - wanted)]


def _sqlite_words(connection: Connection) -> set[str]:
    words = _columns(connection)
    inspector = inspect(connection)
    for table in _tables(inspector.get_table_names()):
        for check in inspector.get_check_constraints(table):
            words.add(f"{table}: CHECK {check['name']} {_plain(check['sqltext'])}")
        for unique in inspector.get_unique_constraints(table):
            words.add(f"{table}: UNIQUE {unique['name']} {unique['column_names']}")
        for key in inspector.get_foreign_keys(table):
            words.add(f"{table}: FOREIGN KEY {key['constrained_columns']} -> {key['referred_table']}")
    named = text("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    words |= {f"{table}: {_plain(sql)}" for table, sql in connection.execute(named)}
    return words


def _postgresql_words(connection: Connection) -> set[str]:
    words = _columns(connection)
    constraints = text(
        "SELECT r.relname, c.conname, pg_get_constraintdef(c.oid, true) FROM pg_constraint c"
        " JOIN pg_class r ON r.oid = c.conrelid WHERE c.connamespace = current_schema()::regnamespace"
        " AND c.contype <> 'n'"
    )
    indexes = text("SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = current_schema()")
    schema = connection.scalar(text("SELECT current_schema()"))
    words |= {f"{t}: {n} {d}".replace(f"{schema}.", "") for t, n, d in connection.execute(constraints)}
    words |= {f"{t}: {d}".replace(f"{schema}.", "") for t, d in connection.execute(indexes)}
    return {line for line in words if not line.startswith("alembic_version:")}


def _columns(connection: Connection) -> set[str]:
    inspector = inspect(connection)
    return {
        f"{table}.{column['name']} {column['type']!r}{'' if column['nullable'] else ' NOT NULL'} {column['default']}"
        for table in _tables(inspector.get_table_names())
        for column in inspector.get_columns(table)
        if not str(column["default"]).startswith("nextval(")
    }


def _tables(names: list[str]) -> list[str]:
    return [name for name in names if name != "alembic_version"]


def _plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql.replace('"', "")).strip()
