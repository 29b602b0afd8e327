"""How the database differs from what the models say."""

from __future__ import annotations

import re

from sqlalchemy import Connection, Engine, inspect, text

from comms.store.engines import make_engine
from comms.store.models import Base


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
