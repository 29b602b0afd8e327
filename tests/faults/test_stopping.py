"""SIGTERM while letters are under way: they finish, the others go back, and nobody has to ask what became of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from comms.store.models import Email
from comms.store.session import Sessions, reading
from tests.faults.figures import Note
from tests.faults.judging import contradictions
from tests.installation import environment
from tests.servers.commands import start_command
from tests.servers.sending import queue_told_emails
from tests.servers.smtp import SmtpServer

PATIENCE = 15


@pytest.mark.slow
def test_a_batch_that_is_told_to_stop_finishes_what_is_under_way_and_returns_the_rest(
    sessions: Sessions, database_url: str, tmp_path: Path, figure: Note
) -> None:
    queue_told_emails(sessions, 12)
    with SmtpServer() as server:
        server.script |= dict.fromkeys(("mail", "content"), lambda _: server.hang_for(0.3) or None)
        here = environment(database_url, tmp_path, server.port)
        batch = start_command(["run", "daily-batch", "--json"], here, tmp_path / "report")
        assert server.wait_for(2, seconds=60)
        told = time.monotonic()
        batch.terminate()
        batch.join(PATIENCE)
        took = time.monotonic() - told

    assert batch.exitcode == 0
    with reading(sessions) as session:
        statuses = Counter(session.scalars(select(Email.status)))
    assert json.loads((tmp_path / "report").read_text())["sending"]["ended"] == "stopped"
    assert statuses == {"sent": len(server.received), "queued": 12 - len(server.received)}
    assert contradictions(sessions, received=server.message_ids) == []
    figure("SIGTERM while sending", f"exit 0 within {PATIENCE} s, in doubt 0", f"{took:.1f} s, in doubt 0")
