"""One Prefect server for all tests of flows, for it starts slowly; rows and a mail server for each test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comms import bootstrap
from comms.bootstrap import parts
from comms.config import get_config
from comms.local_stack.ports import HOST, free_port
from comms.local_stack.probe import is_healthy
from comms.store.session import Sessions, make_sessions
from tests.local_stack.parts import becomes_true
from tests.servers.processes import dies_with_parent
from tests.servers.smtp import SmtpServer

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_SERVER_LEVEL": "ERROR"}
CACHED = (get_config, parts.engine, parts.sessions, parts.correspondence)


@pytest.fixture(scope="package")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that server keeps its database."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="package")
def prefect_server(prefect_home: Path) -> Iterator[str]:
    """The server as `comms up` starts it; yields the URL of its API."""
    home, port = prefect_home, free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    log = (home / "log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "comms.local_stack.prefect_server", str(port)],
        env=inherited | QUIET | {"PREFECT_HOME": str(home)}, stdout=log, stderr=log, preexec_fn=dies_with_parent(),
    )  # fmt: skip
    try:
        assert becomes_true(lambda: is_healthy(f"http://{HOST}:{port}/api/health"), 300), (home / "log").read_text()
        yield f"http://{HOST}:{port}/api"
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


@pytest.fixture
def prefect_api(prefect_server: str, tmp_path: Path) -> Iterator[str]:
    """Prefect in this process talks to that server and keeps results in the test's folder."""
    from prefect import settings

    ours = {
        settings.PREFECT_API_URL: prefect_server,
        settings.PREFECT_LOCAL_STORAGE_PATH: str(tmp_path / "results"),
        settings.PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with settings.temporary_settings(ours):
        yield prefect_server


@pytest.fixture
def relay(empty_sqlite: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpServer]:
    """A mail server, and settings that point at it and at the test's SQLite file."""
    with SmtpServer() as running:
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'comms.db'}")
        monkeypatch.setenv("COMMS_HOME", str(tmp_path))
        monkeypatch.setenv("SMTP_HOST", HOST)
        monkeypatch.setenv("SMTP_PORT", str(running.port))
        _forget()
        yield running
        bootstrap.engine().dispose()
        _forget()


@pytest.fixture
def rows(relay: SmtpServer) -> Sessions:
    """The database that the flows use."""
    return make_sessions(bootstrap.engine())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts `python -m …` with the test's environment; ends everything afterwards."""
    children: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, **environment: str) -> None:
        log = (tmp_path / f"{len(children)}.log").open("wb")
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        children.append(
            subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**os.environ, "PATH": path, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        )

    yield run
    for child in children:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _forget() -> None:
    for cached in CACHED:
        cached.cache_clear()
