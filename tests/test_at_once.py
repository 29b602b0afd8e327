"""The whole daily job by several processes at once: nobody contacted twice, no request without a place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from comms.sample.loading import load_sample
from comms.store.models import Email, PhoneCall
from comms.store.session import Sessions, reading
from tests.invariants import broken
from tests.servers.commands import start_command
from tests.servers.smtp import SmtpServer


def at_once(count: int, job: str, environment: dict[str, str], folder: Path) -> list[dict[str, Any]]:
    """Start `comms run JOB` in `count` processes, wait for all, and return what each reported."""
    outputs = [folder / f"{job}-{number}" for number in range(count)]
    started = [start_command(["run", job, "--json"], environment, output) for output in outputs]
    for process, output in zip(started, outputs, strict=True):
        process.join(60)
        assert process.exitcode == 0, output.read_text()
    return [json.loads(output.read_text()) for output in outputs]


def test_eight_daily_batches_at_once_and_then_four_senders_contact_nobody_twice(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    load_sample(sessions, datetime.now(UTC), therapists=60)
    with SmtpServer(journal=tmp_path / "journal") as server:
        environment = {"DATABASE_URL": database_url, "COMMS_HOME": str(tmp_path)}
        environment |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(server.port)}
        reports = at_once(8, "daily-batch", environment, tmp_path)
        at_once(4, "send-queue", environment, tmp_path)
        received = list(server.received)

    with reading(sessions) as session:
        made = [id_ for report in reports for id_ in report["email_ids"]]
        ids = dict(session.execute(select(Email.message_id, Email.status).where(Email.id.in_(made))).all())
        assert session.scalar(select(func.count(PhoneCall.id))) == sum(r["calls"]["scheduled"] for r in reports)
    assert len(ids) == len(made) == len(set(made)) > 20
    assert set(ids.values()) == {"sent"}
    assert sorted(message.message_id for message in received) == sorted(ids)
    assert len({recipient for message in received for recipient in message.recipients}) == len(received)
    assert broken(sessions) == {}
