"""The database of the tests: every test that asks for `sessions` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, event, text

from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.models import Base
from comms.store.session import Sessions, make_sessions
from tests.faults.figures import figure, print_figures
from tests.servers.postgres import database, postgres_server
from tests.shapes import check_shapes

__all__ = ["figure"]
os.environ.pop("DATABASE_URL", None)
check_shapes()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server's maintenance database; one server per test process."""
    with postgres_server(tmp_path_factory.mktemp("pg")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_engine(postgres: str) -> Iterator[Engine]:
    with database(postgres) as url:
        engine = make_engine(url)
        upgrade(engine)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; tests copy it."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def sqlite_engine(sqlite_template: Path) -> Engine:
    """One engine for all tests of a process: it compiles each statement once, and opens the file that its URL names."""
    engine = make_engine(f"sqlite:///{sqlite_template}")

    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Dialect, _record: object, arguments: list[Any], _named: dict[str, Any]) -> None:
        arguments[0] = engine.url.database

    return engine


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A migrated database without a row, on each engine in turn."""
    found: Engine = request.getfixturevalue(f"empty_{request.param}")
    return found


@pytest.fixture
def empty_sqlite(sqlite_engine: Engine, sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    sqlite_engine.url = sqlite_engine.url.set(database=str(shutil.copy(sqlite_template, tmp_path / "comms.db")))
    yield sqlite_engine
    sqlite_engine.dispose()


@pytest.fixture
def empty_postgresql(postgres_engine: Engine) -> Iterator[Engine]:
    yield postgres_engine
    if postgres_engine.pool.checkedout():  # type: ignore[attr-defined]
        postgres_engine.dispose()
    with postgres_engine.begin() as connection:
        connection.execute(text(EMPTIED))


EMPTIED = "; ".join(f"DELETE FROM {table.name}" for table in reversed(Base.metadata.sorted_tables))
"""A TRUNCATE of many small tables costs ten times as much."""


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return make_sessions(engine)


@pytest.fixture
def database_url(engine: Engine) -> str:
    """For child processes."""
    return engine.url.render_as_string(hide_password=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Keep the tests of flows on one worker, and each file of faults and spans: they share what starts slowly.

    `xdist_group` would say it, but xdist 3.8 does not see that mark with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByServer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/flows/"):
                return "prefect"
            by_file = nodeid.startswith(("tests/faults/", "tests/otlp/"))
            return nodeid.split("::")[0] if by_file else nodeid

    return ByServer(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also what takes a while, as `make test-slow` does")
    parser.addoption("--whole", action="store_true", help="also what takes long, as `make test-faults` does")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: many tests wait for what other processes do."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what was imported, and come seldom: it is a tenth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cases that are marked `slow` or `whole` to the targets that ask for them."""
    whole = config.getoption("whole")
    marks = [mark for mark, asked in (("slow", whole or config.getoption("slow")), ("whole", whole)) if not asked]
    left = [item for item in items if any(map(item.get_closest_marker, marks))]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether the whole matrix is asked for: a case that counts may count further then."""
    return bool(request.config.getoption("whole"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    print_figures(terminalreporter)
