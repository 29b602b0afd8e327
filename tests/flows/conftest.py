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
from comms.store.session import Sessions, make_sessions
from tests.installation import configured, environment
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import dies_with_parent
from tests.servers.smtp import SmtpServer


@pytest.fixture(scope="package")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that server keeps its database."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="package")
def prefect_server(prefect_home: Path) -> Iterator[str]:
    """URL of its API."""
    server = PrefectServer(prefect_home)
    yield server.url
    server.stop()


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
def relay(empty_sqlite: object, tmp_path: Path) -> Iterator[SmtpServer]:
    """A mail server, and settings that point at it and at the test's SQLite file."""
    url = f"sqlite:///{tmp_path / 'comms.db'}"
    with SmtpServer() as running, configured(environment(url, tmp_path, running.port)):
        yield running


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
