"""Planners, bookers, senders and relays at once, each a process, with a real mail server and a broker."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from comms.bootstrap.events import OURS
from comms.sample.loading import load_sample
from comms.store.models import Email, PhoneCall
from comms.store.session import Sessions, reading
from tests.faults.figures import Note
from tests.faults.judging import contradictions
from tests.kafka.outbox import unpublished
from tests.local_stack.parts import becomes_true
from tests.servers.commands import start_command
from tests.servers.kafka import broker
from tests.servers.smtp import SmtpServer
from tests.servers.topics import events

JOBS = ("daily-batch", "follow-ups", "send-queue")
RELAYS = 2


def start_all(each: int, environment: dict[str, str], folder: Path) -> dict[Path, BaseProcess]:
    """Start every job so often, side by side, as several schedulers would that know nothing of each other."""
    outputs = [folder / f"{job}-{number}" for number in range(each) for job in JOBS]
    return {
        output: start_command(["run", output.name.rpartition("-")[0], "--json"], environment, output)
        for output in outputs
    }


def reports(started: dict[Path, BaseProcess]) -> list[dict[str, Any]]:
    """Wait for all and return what each said."""
    for output, process in started.items():
        process.join(240)
        assert process.exitcode == 0, output.read_text()
    return [json.loads(output.read_text()) for output in started]


def end(relays: Iterable[BaseProcess]) -> None:
    for relay in relays:
        relay.terminate()
    for relay in relays:
        relay.join(60)
        assert relay.exitcode == 0


@pytest.mark.slow
def test_planners_bookers_senders_and_relays_at_once_contact_nobody_twice(
    sessions: Sessions, database_url: str, tmp_path: Path, whole: bool, figure: Note
) -> None:
    each = 8 if whole else 3
    load_sample(sessions, datetime.now(UTC), therapists=60)
    with SmtpServer(journal=tmp_path / "journal") as mail, broker() as kafka:
        environment = {"DATABASE_URL": database_url, "COMMS_HOME": str(tmp_path)}
        environment |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(mail.port), "KAFKA_BOOTSTRAP_SERVERS": kafka.servers}
        relays = [start_command(["relay"], environment, tmp_path / f"relay-{n}") for n in range(RELAYS)]
        told = reports(start_all(each, environment, tmp_path))
        told += reports(
            {tmp_path / "last": start_command(["run", "send-queue", "--json"], environment, tmp_path / "last")}
        )
        assert becomes_true(lambda: unpublished(sessions) == 0, 120)
        end(relays)
        on_topic, received = events(kafka.servers, OURS), list(mail.received)

    made = [id_ for report in told for id_ in report.get("email_ids", [])]
    with reading(sessions) as session:
        emails = dict(session.execute(select(Email.message_id, Email.status).where(Email.id.in_(made))).all())
        booked = session.scalar(select(func.count(PhoneCall.id)))
    assert len(emails) == len(made) == len(set(made)) > 20
    assert set(emails.values()) == {"sent"}
    assert sorted(message.message_id for message in received) == sorted(emails)
    assert len({recipient for message in received for recipient in message.recipients}) == len(received)
    assert booked == sum(report["scheduled"] if "scheduled" in report else report["calls"]["scheduled"]
                         for report in told if "scheduled" in report or "calls" in report)  # fmt: skip
    assert contradictions(sessions, on_topic=on_topic) == []
    case = f"{each} planners, bookers and senders, {RELAYS} relays at once, {sessions.kw['bind'].dialect.name}"
    figure(case, "invariants 0, nobody contacted twice, nothing lost", f"{len(made)} emails, {booked} calls, 0 twice")
