"""`comms db upgrade` and `comms db check`."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from comms.errors import DatabaseNotReady
from comms.store.database import known_revisions, upgrade
from comms.store.differences import differences
from comms.store.engines import make_engine
from comms.store.models import Base
from comms.store.version import REVISION, require_current


def test_migrations_and_models_describe_the_same_database(engine: Engine) -> None:
    assert differences(engine) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP INDEX uq_email_batches_live_request", "uq_email_batches_live_request"),
        ("DROP INDEX ix_emails_due", "ix_emails_due"),
        ("CREATE INDEX extra ON emails (status)", "extra"),
        ("ALTER TABLE emails ADD COLUMN extra INTEGER", "emails.extra"),
    ],
)
def test_check_sees_what_somebody_changed_by_hand(empty_sqlite: Engine, change: str, said: str) -> None:
    with empty_sqlite.begin() as connection:
        connection.execute(text(change))

    assert said in "\n".join(differences(empty_sqlite))


def test_check_sees_a_lost_check_constraint_on_postgresql(postgres: str) -> None:
    from tests.servers.postgres import database

    with database(postgres) as url:
        engine = make_engine(url)
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE emails DROP CONSTRAINT ck_emails_sent_has_time"))
        assert "ck_emails_sent_has_time" in "\n".join(differences(engine))
        engine.dispose()


def test_check_sees_a_lost_check_constraint_on_sqlite(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}")
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("PRAGMA writable_schema=ON"))
        connection.execute(
            text(
                "UPDATE sqlite_master SET sql = replace(sql, 'CONSTRAINT ck_emails_sent_has_time "
                "CHECK (status <> ''sent'' OR sent_at IS NOT NULL),', '') WHERE name = 'emails'"
            )
        )
    engine.dispose()

    assert "ck_emails_sent_has_time" in "\n".join(differences(make_engine(engine.url)))


def test_the_version_that_the_program_asks_for_is_that_of_the_last_migration() -> None:
    assert max(known_revisions()) == REVISION


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    upgrade(engine)

    assert differences(engine) == []


def test_a_database_that_was_never_made_is_named_and_not_created(tmp_path: Path) -> None:
    path = tmp_path / "none.db"

    with pytest.raises(DatabaseNotReady, match="comms db upgrade"):
        require_current(make_engine(f"sqlite:///{path}"))
    assert not path.exists()


def test_a_database_of_another_version_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        head = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    try:
        with pytest.raises(DatabaseNotReady, match="at version 0000"):
            require_current(engine)
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})


def test_every_table_is_made_by_the_migrations(engine: Engine) -> None:
    require_current(engine)
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            assert connection.execute(table.select()).all() == []


def test_a_new_sqlite_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "comms.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect():
        modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
    engine.dispose()

    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}
