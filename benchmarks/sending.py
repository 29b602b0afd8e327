"""Emails per second: the sender against a loop that opens a connection and commits for every email."""

from __future__ import annotations

import multiprocessing
import smtplib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import delete, select, update

from benchmarks.harness import Way, compare, speed
from comms.rules.policy import SendingPolicy
from comms.services.sending import send_queued_emails
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.models import DeliveryAttempt, Email, OutboxEvent
from comms.store.session import Sessions, make_sessions, writing
from tests.servers.postgres import database, postgres_server
from tests.servers.sending import queue_emails, smtp_sender
from tests.servers.smtp import SmtpServer

EMAILS = 300
LETTER = b"Subject: Anfrage\r\nMessage-ID: <bench@test.example>\r\n\r\n" + b"Guten Tag, eine Anfrage.\r\n" * 270
"""About 7 kB: what a letter with five patients weighs."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sink() as port:
        _measure("SQLite", f"sqlite:///{folder}/comms.db", port)
        with postgres_server(Path(folder), durable=True) as server, database(server) as url:
            _measure("PostgreSQL", url, port)


def _measure(name: str, url: str, port: int) -> None:
    engine = make_engine(url)
    upgrade(engine)
    sessions = make_sessions(engine)
    queue_emails(sessions, EMAILS, raw=LETTER)
    ways: dict[str, Way] = {f"send_queued_emails, {n} connections": _sender(sessions, port, n) for n in (1, 2, 8)}
    ways["a connection and a commit per email"] = lambda: _time(sessions, lambda: _naive(sessions, port))
    setting = f"{EMAILS} emails of {len(LETTER) // 1000} kB, synced commits, a mail sink in another process"
    compare(f"Sending, {name}", "emails/s", ways, setting=setting)
    engine.dispose()


def _sender(sessions: Sessions, port: int, connections: int) -> Way:
    policy = replace(SendingPolicy(), connections=connections, messages_per_connection=1000)

    def send() -> None:
        report = send_queued_emails(sessions, smtp_sender(port), policy, datetime.now(UTC), limit=EMAILS)
        assert report.sent == EMAILS, report

    return lambda: _time(sessions, send)


def _time(sessions: Sessions, work: Way | object) -> float:
    queue_again(sessions)
    assert callable(work)
    return speed(EMAILS, work)


def queue_again(sessions: Sessions) -> None:
    """Make every email due once more, as if it had never been tried."""
    due = datetime.now(UTC) - timedelta(minutes=1)
    with writing(sessions) as session:
        session.execute(delete(DeliveryAttempt))
        session.execute(delete(OutboxEvent))
        session.execute(
            update(Email).values(
                status="queued",
                next_attempt_at=due,
                sent_at=None,
                handed_over_at=None,
                first_attempt_at=None,
                attempt=0,
            )
        )


def _naive(sessions: Sessions, port: int) -> None:
    """What many services do: load, connect, send, quit, note it, commit; a crash in between sends an email twice."""
    with sessions() as session:
        for email in session.scalars(select(Email).where(Email.status == "queued").order_by(Email.id)).all():
            with smtplib.SMTP("localhost", port) as smtp:
                smtp.sendmail(email.sender_email, [email.recipient_email], email.raw or b"")
            email.status = "sent"
            email.sent_at = datetime.now(UTC)
            session.commit()


@contextmanager
def sink() -> Iterator[int]:
    """A mail server that takes everything, in a process of its own; yields its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_take_everything, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that a sink that dies is noticed
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _take_everything(pipe: Connection) -> None:
    with SmtpServer() as server:
        pipe.send(server.port)
        while True:
            server.wait_for(1_000_000, seconds=60)


if __name__ == "__main__":
    main()
