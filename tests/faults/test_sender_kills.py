"""kill -9 of real senders, at every phase and at random; a mail server in a process of its own is the witness."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path

import pytest
import trustme
from sqlalchemy import select

from comms.store.models import ContactState, Email
from comms.store.session import Sessions, reading
from tests.faults.figures import Note
from tests.faults.judging import contradictions
from tests.servers.script import Behaviour, Kill, KillSoon, Session
from tests.servers.sender import BRIEF, LEASE, start_sender
from tests.servers.sending import queue_told_emails
from tests.servers.witness import Witness

pytestmark = pytest.mark.slow

PHASES = ("greeting", "ehlo", "mail", "rcpt", "data", "content", "kept")
"""`data` is before the client may hand over, `content` after the final dot, `kept` after the 250 is on its way."""
SEED = 7
ONE_LINE = replace(BRIEF, connections=1, chunk=5)


@dataclass(frozen=True)
class KillInTurn:
    """Ends the client of the n-th connection at the n-th phase; later ones are served well."""

    phase: str
    first: bytes = b""

    def __call__(self, session: Session) -> Behaviour:
        return Kill(self.first) if PHASES[session.number - 1 : session.number] == (self.phase,) else None


@dataclass
class KillAtRandom:
    """Ends the client within 8 ms of one phase in six, until the file `enough` is there."""

    enough: Path
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    def __call__(self, _: Session) -> Behaviour:
        hit = self.chance.random() < 1 / 6 and not self.enough.exists()
        return KillSoon(self.chance.uniform(0, 0.008)) if hit else None


def sent_or_in_doubt(sessions: Sessions) -> tuple[set[str], set[str]]:
    """Message-IDs; no email is in any other status, and each took its contact."""
    found: dict[str, set[str]] = {"sent": set(), "in_doubt": set()}
    with reading(sessions) as session:
        for status, message_id in session.execute(select(Email.status, Email.message_id)):
            found[status].add(message_id)
        rows = session.execute(select(ContactState.held_by, ContactState.contacted_at)).all()
    assert {(holder, at is None) for holder, at in rows} == {(None, False)}
    return found["sent"], found["in_doubt"]


def send_the_rest(url: str, port: int, **settings: object) -> None:
    """Start one more, and wait until the leases of the dead have run out and nothing is left."""
    last = start_sender(url, port, 2 * LEASE.total_seconds(), **settings)
    last.join(300)
    assert last.exitcode == 0


def test_killed_at_any_phase_only_what_was_handed_over_is_in_doubt(
    sessions: Sessions, database_url: str, tmp_path: Path, figure: Note
) -> None:
    queue_told_emails(sessions, len(PHASES))
    certificate, ca_file = write_certificate(tmp_path)
    script = {phase: KillInTurn(phase, b"250 2.0.0 taken\r\n" if phase == "kept" else b"") for phase in PHASES}
    secure = {"security": "starttls", "ca_file": ca_file}
    with Witness(tmp_path / "journal", script, certificate=certificate) as witness:
        for phase in PHASES:
            sender = start_sender(database_url, witness.port, 30, ONE_LINE, **secure)
            sender.join(60)
            assert sender.exitcode == -9, phase
        send_the_rest(database_url, witness.port, **secure)

    sent, doubtful = sent_or_in_doubt(sessions)
    assert contradictions(sessions, received=witness.message_ids) == []
    assert (len(sent), len(doubtful), len(doubtful.intersection(witness.message_ids))) == (len(PHASES) - 2, 2, 1)
    assert {entry.tls for entry in witness.entries} == {"TLSv1.3"}
    figure("sender killed at each of 7 phases", "after the dot and after the 250 in doubt, else sent once", "1 + 1, 5")


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Of a server on this machine, with its key; and of the authority that issued it."""
    authority, certificate, ca_file = trustme.CA(), folder / "certificate.pem", folder / "ca.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(ca_file))
    return certificate, ca_file


def test_killed_at_random_four_senders_lose_nothing_and_send_nothing_twice(
    sessions: Sessions, database_url: str, tmp_path: Path, whole: bool, figure: Note
) -> None:
    emails, kills = (400, 80) if whole else (80, 8)
    queue_told_emails(sessions, emails)
    enough = tmp_path / "enough"
    hits = dict.fromkeys(("mail", "data", "content", "kept"), KillAtRandom(enough))
    with Witness(tmp_path / "journal", hits) as witness:
        killed = restart_the_killed(database_url, witness.port, kills)
        enough.touch()
        send_the_rest(database_url, witness.port)

    sent, doubtful = sent_or_in_doubt(sessions)
    assert contradictions(sessions, received=witness.message_ids) == []
    assert len(sent) + len(doubtful) == emails
    assert set(Counter(witness.message_ids).values()) == {1}
    assert len(doubtful) <= killed
    arrived = len(doubtful.intersection(witness.message_ids))
    engine = "PostgreSQL" if "postgresql" in database_url else "SQLite"
    promise = "none twice, none lost, in doubt at most the kills"
    measured = f"{len(sent)} sent, {len(doubtful)} in doubt ({arrived} arrived)"
    figure(f"{killed} random kills (seed {SEED}), 4 senders, {emails} emails, {engine}", promise, measured)


def restart_the_killed(url: str, port: int, kills: int) -> int:
    """Keep four senders running until only they are left to be killed, then end them too; return how many were."""
    senders = [start_sender(url, port, 60, ONE_LINE) for _ in range(4)]
    killed = 0
    while killed < kills - len(senders):
        assert wait([sender.sentinel for sender in senders], 60)
        for place, sender in enumerate(senders):
            if sender.exitcode is not None:
                assert sender.exitcode == -9
                killed += 1
                senders[place] = start_sender(url, port, 60, ONE_LINE)
    for sender in senders:
        sender.kill()
        sender.join()
    return killed + len(senders)
