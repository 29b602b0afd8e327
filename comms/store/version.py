"""Which version of the schema this program works with. All that starts asks it: Alembic is not imported for that."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from comms.errors import DatabaseNotReady

REVISION = "0007"
"""Of the last migration."""


def require_current(engine: Engine) -> None:
    """Raise DatabaseNotReady unless the schema is exactly this version's. Never creates anything."""
    if engine.dialect.name == "sqlite" and engine.url.database and not Path(engine.url.database).exists():
        raise DatabaseNotReady("there is no database yet; create it with: comms db upgrade")
    at = _revision_of(engine)
    if at != REVISION:
        raise DatabaseNotReady(
            f"the database is at version {at or 'none'}, this program needs {REVISION}: comms db upgrade"
        )


def _revision_of(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found
