"""Creating the database and bringing it to this version, by Alembic."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from comms.errors import DatabaseNotReady

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


def known_revisions() -> set[str]:
    """Every version of the schema that this program can begin from."""
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
