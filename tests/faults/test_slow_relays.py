"""A relay that is slow, silent, away or says nonsense: at every phase, and what it costs the other letters."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from comms.services.sending import send_queued_emails
from comms.store.models import Email
from comms.store.session import Sessions, make_sessions, reading
from tests.faults.figures import Note
from tests.faults.judging import contradictions
from tests.servers.forwarding import Door
from tests.servers.script import Behaviour, Drip, Drop, Hang, Session
from tests.servers.sender import BRIEF, start_sender
from tests.servers.sending import QUICK, queue_told_emails, smtp_sender
from tests.servers.smtp import SmtpServer
from tests.servers.witness import Witness

PATIENCE = {"command_timeout": 1, "content_timeout": 1}
GOOD = {
    "greeting": "220 mail.test ESMTP", "ehlo": "250 mail.test", "mail": "250 2.1.0 ok", "rcpt": "250 2.1.5 ok",
    "data": "354 go on", "content": "250 2.0.0 taken", "kept": "250 2.0.0 taken",
}  # fmt: skip
NONSENSE = {
    "silence": Hang(),
    "the end": Drop(),
    "garbage": b"\xff\xfe hello\r\n",
    "a line of 5 MB": b"x" * 5_000_000,
}
"""The server goes wrong before it keeps the message (`content`), or after (`kept`)."""


def status_of(sessions: Sessions, id_: int) -> tuple[str, int]:
    with reading(sessions) as session:
        email = session.get_one(Email, id_)
    return email.status, email.retry_count


@pytest.mark.whole
@pytest.mark.parametrize("phase", GOOD)
@pytest.mark.parametrize("wrong", [*NONSENSE, "one byte a second"])
def test_before_the_dot_it_is_the_relays_trouble_and_after_it_doubt(
    wrong: str, phase: str, empty_sqlite: Engine, figure: Note
) -> None:
    sessions, behaviour = make_sessions(empty_sqlite), NONSENSE.get(wrong, Drip(GOOD[phase]))
    [id_] = queue_told_emails(sessions, 1)
    begun = time.monotonic()
    with SmtpServer({phase: behaviour}) as server:
        send_queued_emails(sessions, smtp_sender(server.port, **PATIENCE), QUICK, datetime.now(UTC), limit=1)
        took = time.monotonic() - begun

    doubt = phase in ("content", "kept")
    assert status_of(sessions, id_) == ("in_doubt" if doubt else "queued", 0)
    assert len(server.received) == (phase == "kept")
    assert contradictions(sessions, received=server.message_ids) == []
    assert took < 30
    figure(f"relay: {wrong}, at each of {len(GOOD)} phases", "before the dot queued, after it in doubt", "as promised")


OTHERS = 20
PACE = 0.03
"""Seconds in which the relay takes a letter, so that the relay and not this machine sets the pace."""


@pytest.mark.whole
@pytest.mark.parametrize("phase", ["rcpt", "content"])
@pytest.mark.parametrize(
    ("how", "behaviour", "patience"),
    [("silence", Hang(), 6), ("one byte in half a second", Drip("250 ok ok ok", 0.5), 60)],
)
def test_the_others_do_not_wait_for_a_letter_on_which_the_relay_is_slow(
    how: str, behaviour: Behaviour, patience: int, phase: str, empty_sqlite: Engine, figure: Note
) -> None:
    sessions = make_sessions(empty_sqlite)
    alone, _ = seconds_of_the_others(sessions, phase, None, patience)
    beside, whole_run = seconds_of_the_others(sessions, phase, behaviour, patience)

    assert beside < whole_run - 1
    measured = f"{beside / alone:.1f} times ({beside:.2f} s, without it {alone:.2f} s)"
    figure(f"one letter of {OTHERS + 1} meets {how} at {phase}", "the others' delay about doubled at most", measured)


def seconds_of_the_others(sessions: Sessions, phase: str, behaviour: Behaviour, patience: int) -> tuple[float, float]:
    """Send; return when the last of the others arrived, and when all was over. The first letter is the slow one."""
    ids = queue_told_emails(sessions, OTHERS + 1)
    with reading(sessions) as session:
        slow = session.get_one(Email, ids[0]).recipient_email
    arrived: list[float] = []
    timeouts = {"command_timeout": patience, "content_timeout": patience}

    def slowly(session: Session) -> Behaviour:
        return behaviour if slow in session.line or slow in session.recipients else None

    with SmtpServer() as server:
        server.script["data"] = lambda _: server.hang_for(PACE) or None
        server.script["kept"] = lambda s: None if slow in s.recipients else arrived.append(time.monotonic())
        server.script |= {phase: slowly} if behaviour else {}
        begun = time.monotonic()
        report = send_queued_emails(
            sessions, smtp_sender(server.port, **timeouts), replace(QUICK, connections=2), datetime.now(UTC), limit=100
        )
        over = time.monotonic()
    assert report.sent >= OTHERS == len(arrived)
    return arrived[-1] - begun, over - begun


CLOSED_SECONDS = 30


@pytest.mark.whole
def test_a_relay_that_is_closed_for_half_a_minute_costs_no_letter_a_try(
    empty_sqlite: Engine, tmp_path: Path, figure: Note
) -> None:
    sessions, url = make_sessions(empty_sqlite), f"sqlite:///{tmp_path / 'comms.db'}"
    ids = queue_told_emails(sessions, 20)
    policy = replace(BRIEF, breaker_pause=timedelta(seconds=2))
    with Witness(tmp_path / "journal") as witness, Door(witness.port) as door:
        sender = start_sender(url, door.port, 10, policy)
        time.sleep(CLOSED_SECONDS)
        door.open()
        opened = time.monotonic()
        assert witness.wait_for(len(ids))
        took = time.monotonic() - opened
        sender.join(60)

    assert sender.exitcode == 0
    assert {status_of(sessions, id_) for id_ in ids} == {("sent", 0)}
    assert contradictions(sessions, received=witness.message_ids) == []
    promise = "no try burned, each sent once, soon after its rest of 2 s"
    figure(f"relay closed for {CLOSED_SECONDS} s, {len(ids)} emails", promise, f"all {took:.1f} s after it opened")
