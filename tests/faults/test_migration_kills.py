"""kill -9 at each statement of a migration: nothing of it is left, and the next run ends in the right schema."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from comms.store.database import upgrade
from comms.store.differences import differences
from comms.store.engines import make_engine
from tests.faults.figures import SEED, Note
from tests.faults.migrating import count_statements, start_upgrade
from tests.servers.postgres import database

SAMPLE = 3


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two databases without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'other.db'}"
        return
    server = request.getfixturevalue("postgres")
    with database(server) as one, database(server) as other:
        yield one, other


@pytest.mark.slow
@pytest.mark.parametrize("begin", [None, pytest.param("0001", marks=pytest.mark.whole)], ids=["nothing", "0001"])
def test_a_migration_that_is_killed_leaves_nothing_and_is_run_again(
    urls: tuple[str, str], begin: str | None, figure: Note, whole: bool
) -> None:
    engine, unharmed = map(make_engine, urls)
    if begin:
        upgrade(engine, begin)
        upgrade(unharmed, begin)
    statements = range(1, count_statements(unharmed) + 1)
    before = contents(engine)
    points = statements if whole else random.Random(f"{SEED} {begin}").sample(statements, SAMPLE)
    for point in points:
        victim = start_upgrade(urls[0], point)
        victim.join(120)
        assert victim.exitcode == -signal.SIGKILL, point
        assert contents(engine) == before, point
    upgrade(engine)
    assert (differences(engine), contents(engine)) == ([], contents(unharmed))
    case = f"migration {f'from {begin}' if begin else 'of an empty database'} killed, {engine.dialect.name}"
    promise = "nothing of it is left; run again, it ends in the right schema"
    figure(case, promise, f"{len(points)} of {len(statements)} statements, left behind 0 (seed {SEED})")
    engine.dispose()
    unharmed.dispose()


def contents(engine: Engine) -> tuple[str | None, list[str]]:
    """The version and the tables; a file of SQLite must be whole as well."""
    with engine.connect() as connection:
        tables = sorted(inspect(connection).get_table_names())
        if engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        known = "alembic_version" in tables
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
        return version, tables
