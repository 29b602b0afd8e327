"""Backups and restoring, on both engines and from one to the other, also while senders work."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from comms.errors import BadInput, Conflict, DatabaseNotReady
from comms.services.pause import resume_sending, sending_state
from comms.services.restoring import restore_backup
from comms.services.sending import send_queued_emails
from comms.services.sending.claim import claim_due_emails
from comms.services.sending.marks import grant_marks
from comms.store.backups import GAP, write_backup
from comms.store.database import upgrade
from comms.store.engines import clock, make_engine
from comms.store.models import Base, Email, Therapist
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import make_request, make_therapist
from tests.invariants import broken
from tests.servers.journal import read_journal
from tests.servers.sender import BRIEF, LEASE, start_sender
from tests.servers.sending import smtp_sender
from tests.servers.smtp import SmtpServer
from tests.services.test_batching import run

SETTLED = {"leases", "job_runs", "staff_settings", "audit_log"}
"""Tables in which restoring itself writes."""


def by_status(sessions: Sessions) -> dict[str, set[str]]:
    """{status: Message-IDs}"""
    found: dict[str, set[str]] = {}
    with reading(sessions) as session:
        for status, message_id in session.execute(select(Email.status, Email.message_id)):
            found.setdefault(status, set()).add(message_id)
    return found


def everything(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        tables = (table for table in Base.metadata.sorted_tables if table.name not in SETTLED)
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in tables
        }


def batch(sessions: Sessions, therapists: int) -> None:
    """Emails as the daily batch makes them, announced and with their contacts claimed."""
    with writing(sessions) as session:
        for _ in range(therapists):
            make_request(session, make_therapist(session))
    assert len(run(sessions).emails) == therapists


def claim_two_and_mark_one(sessions: Sessions) -> tuple[int, int]:
    """Two letters under way at this moment; of the first the content may have gone out."""
    with writing(sessions) as session:
        now = clock(session)
        claims = claim_due_emails(session, "a sender", now, now, LEASE * 1000, 2)
        first, second = claims.letters
        assert grant_marks(session, "a sender", [first], now)
    return first.letter.email_id, second.letter.email_id


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'other' / 'comms.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def restore(path: Path, engine: Engine, *, paused: bool = True, replace: bool = False) -> Any:
    return restore_backup(path, make_sessions(engine), "cli:anja", paused=paused, replace=replace)


def test_what_is_restored_is_what_was_there_and_nothing_of_what_came_after(
    engine: Engine, sessions: Sessions, tmp_path: Path
) -> None:
    batch(sessions, 6)
    before = everything(engine)
    assert write_backup(engine, tmp_path / "b") >= sum(map(len, before.values()))
    with writing(sessions) as session:
        session.execute(update(Therapist).values(first_name="Nobody"))
        make_therapist(session)

    restore(tmp_path / "b", engine, replace=True)

    assert everything(engine) == before
    assert broken(sessions) == {}


def test_a_backup_goes_from_either_engine_to_another_database(
    engine: Engine, sessions: Sessions, empty: Engine, tmp_path: Path
) -> None:
    batch(sessions, 3)
    write_backup(engine, tmp_path / "b")

    restore(tmp_path / "b", empty)

    assert everything(empty) == everything(engine)


def test_postgresql_goes_on_counting_behind_ids_that_others_may_know(
    empty_sqlite: Engine, empty_postgresql: Engine, tmp_path: Path
) -> None:
    batch(make_sessions(empty_sqlite), 2)
    write_backup(empty_sqlite, tmp_path / "b")
    restore(tmp_path / "b", empty_postgresql)
    assert everything(empty_postgresql) == everything(empty_sqlite)

    sessions = make_sessions(empty_postgresql)
    with writing(sessions) as session:
        highest = max(session.scalars(select(Email.id)))
    batch(sessions, 1)
    with reading(sessions) as session:
        assert max(session.scalars(select(Email.id))) > highest + GAP


def test_letters_under_way_end_in_doubt_or_in_the_queue_and_nothing_is_sent(
    engine: Engine, sessions: Sessions, empty: Engine, tmp_path: Path
) -> None:
    batch(sessions, 4)
    marked, claimed = claim_two_and_mark_one(sessions)
    write_backup(engine, tmp_path / "b")

    found = restore(tmp_path / "b", empty)

    others = make_sessions(empty)
    assert (found.queued, found.in_doubt, found.paused) == (3, 1, True)
    with reading(others) as session:
        assert session.get_one(Email, marked).status == "in_doubt"
        assert session.get_one(Email, claimed).status == "queued"
        assert sending_state(session).paused
    assert broken(others) == {}
    with SmtpServer() as relay:
        send_queued_emails(others, smtp_sender(relay.port), BRIEF, datetime.now(UTC), limit=100)
        assert relay.received == []


@pytest.mark.slow
def test_a_backup_taken_while_senders_work_is_one_moment(
    engine: Engine, sessions: Sessions, empty: Engine, database_url: str, tmp_path: Path
) -> None:
    batch(sessions, 60)
    with SmtpServer(journal=tmp_path / "journal") as relay:
        sender = start_sender(database_url, relay.port, idle_seconds=0.2)
        assert relay.wait_for(10)
        write_backup(engine, tmp_path / "b")
        sender.join(60)
        assert len(relay.received) == 60
        restore(tmp_path / "b", empty)
        others = make_sessions(empty)
        then = by_status(others)
        assert broken(others) == {}
        with writing(others) as session:
            resume_sending(session, "cli:anja", clock(session))
        send_queued_emails(others, smtp_sender(relay.port), BRIEF, datetime.now(UTC), limit=100)

    assert sum(map(len, then.values())) == 60
    assert "sending" not in then
    assert set(by_status(others)) <= {"sent", "in_doubt"}
    received = Counter(entry.message_id for entry in read_journal(tmp_path / "journal"))
    twice = {message for message, times in received.items() if times > 1}
    assert twice == then.get("queued", set())  # what the runbook says to look up before sending is resumed


def test_a_database_with_rows_is_not_overwritten_unless_said(
    engine: Engine, sessions: Sessions, empty: Engine, tmp_path: Path
) -> None:
    write_backup(empty, tmp_path / "b")
    with writing(sessions) as session:
        kept = make_therapist(session).id

    with pytest.raises(Conflict, match="is not empty"):
        restore(tmp_path / "b", engine)

    with reading(sessions) as session:
        assert session.scalars(select(Therapist.id)).all() == [kept]


def test_the_file_is_its_owners_alone_and_stands_alone(empty_sqlite: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    write_backup(empty_sqlite, folder / "b")

    assert [path.name for path in folder.iterdir()] == ["b"]
    assert (folder / "b").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="is there already"):
        write_backup(empty_sqlite, folder / "b")


def test_a_backup_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    away = make_engine(f"sqlite:///{tmp_path / 'nowhere.db'}")
    with pytest.raises(sqlite3.OperationalError):
        write_backup(away, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def spoil(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as there:
        there.execute(statement)
        there.commit()


def test_what_is_no_sound_backup_of_a_known_version_is_refused(
    empty_sqlite: Engine, empty: Engine, tmp_path: Path
) -> None:
    write_backup(empty_sqlite, tmp_path / "newer")
    spoil(tmp_path / "newer", "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseNotReady, match="9999, which is newer"):
        restore(tmp_path / "newer", empty)

    spoil(tmp_path / "strange", "CREATE TABLE emails (id)")
    (tmp_path / "rubbish").write_bytes(b"PGDMP" * 100)
    for name in ("strange", "rubbish", "missing"):
        with pytest.raises(BadInput):
            restore(tmp_path / name, empty)

    write_backup(empty_sqlite, tmp_path / "damaged")
    whole = (tmp_path / "damaged").read_bytes()
    (tmp_path / "damaged").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="damaged"):
        restore(tmp_path / "damaged", empty)


def test_a_backup_of_an_older_version_is_brought_to_this_one(empty: Engine, tmp_path: Path) -> None:
    old = make_engine(f"sqlite:///{tmp_path / 'old.db'}")
    upgrade(old, "0002")
    with old.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO suppressions (mailbox, created_at, created_by) VALUES ('a@b.de', '2026-01-01 00:00:00', 'x')"
        )
    with pytest.raises(sqlite3.OperationalError):
        write_backup(old, tmp_path / "b")  # the command asks for this version first
    old.dispose()
    with closing(sqlite3.connect(tmp_path / "old.db")) as there:
        there.execute("PRAGMA application_id = 1129270611")
        there.execute("PRAGMA journal_mode = DELETE")

    restore(tmp_path / "old.db", empty)

    with empty.connect() as connection:
        assert connection.exec_driver_sql("SELECT mailbox FROM suppressions").scalars().all() == ["a@b.de"]
