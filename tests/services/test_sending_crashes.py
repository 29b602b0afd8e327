"""kill -9 of real senders, and several at once, with a real mail server as the witness; on both engines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sqlalchemy import select

from comms.store.models import Email, OutboxEvent, StaffItem
from comms.store.session import Sessions, reading
from tests.servers.sender import BRIEF, LEASE, start_sender
from tests.servers.sending import queue_emails, read_journal
from tests.servers.smtp import SmtpServer

KILLS = 5
EMAILS = 200


def by_status(sessions: Sessions) -> dict[str, set[str]]:
    """{status: Message-IDs}"""
    found: dict[str, set[str]] = {}
    with reading(sessions) as session:
        for status, message_id in session.execute(select(Email.status, Email.message_id)):
            found.setdefault(status, set()).add(message_id)
    return found


def subjects(sessions: Sessions, event: str) -> Counter[int]:
    with reading(sessions) as session:
        rows = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.event_type == f"communication.{event}"))
        return Counter(payload["email_id"] for payload in rows)


def test_killing_the_sender_five_times_loses_nothing_and_sends_nothing_twice(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    queue_emails(sessions, EMAILS)
    with SmtpServer(journal=tmp_path / "journal") as server:
        for kill in range(1, KILLS + 1):
            sender = start_sender(database_url, server.port, idle_seconds=30)
            assert server.wait_for(kill * EMAILS // (KILLS + 2))
            sender.kill()
            sender.join()
        last = start_sender(database_url, server.port, idle_seconds=2 * LEASE.total_seconds())
        last.join(60)
        assert last.exitcode == 0
    received = Counter(read_journal(tmp_path / "journal"))
    found = by_status(sessions)
    doubtful = found.get("in_doubt", set())

    assert set(found) <= {"sent", "in_doubt"}
    assert len(found["sent"]) + len(doubtful) == EMAILS
    assert set(received.values()) == {1}
    assert found["sent"] <= set(received)
    assert len(doubtful) <= KILLS * BRIEF.connections
    with reading(sessions) as session:
        listed = session.scalars(select(StaffItem.subject_id).where(StaffItem.reason == "email_in_doubt")).all()
    assert len(listed) == len(doubtful)
    assert subjects(sessions, "email_sent").total() == len(found["sent"])
    assert set(subjects(sessions, "email_sent").values()) == {1}
    assert subjects(sessions, "email_in_doubt").total() == len(doubtful)


def test_four_senders_at_once_send_every_email_once(sessions: Sessions, database_url: str) -> None:
    queue_emails(sessions, EMAILS)
    with SmtpServer() as server:
        senders = [start_sender(database_url, server.port, idle_seconds=0.3) for _ in range(4)]
        for sender in senders:
            sender.join(60)
        assert [sender.exitcode for sender in senders] == [0] * 4

    found = by_status(sessions)
    assert set(found) == {"sent"}
    assert Counter(server.message_ids) == Counter(found["sent"])
    assert len(server.received) == EMAILS
    assert set(subjects(sessions, "email_sent").values()) == {1}
