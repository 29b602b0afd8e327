"""An installation for the commands: the test's database and a mail server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comms.store.session import Sessions
from tests.installation import configured, environment
from tests.servers.smtp import SmtpServer


@pytest.fixture
def server(sessions: Sessions, database_url: str, tmp_path: Path) -> Iterator[SmtpServer]:
    """A mail server, and settings that point at it and at the test's database."""
    with SmtpServer() as running, configured(environment(database_url, tmp_path, running.port)):
        yield running
