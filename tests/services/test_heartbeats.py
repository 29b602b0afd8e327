"""Signs of life: the last one counts, and every run of the sender leaves one for the mail channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from comms.services.heartbeats import FAILING, KAFKA, MAIL, OK, Beat, beat, last_beats
from comms.services.sending import send_queued_emails
from comms.store.engines import clock
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW
from tests.servers.sending import QUICK, queue_emails, smtp_sender
from tests.servers.smtp import SmtpServer

MINUTE = timedelta(minutes=1)
RESTLESS = replace(QUICK, breaker_pause=timedelta(0))


def send(sessions: Sessions, port: int, **settings: Any) -> None:
    with reading(sessions) as session:
        now = clock(session)
    send_queued_emails(sessions, smtp_sender(port, **settings), RESTLESS, now, limit=100)


def sign(sessions: Sessions) -> tuple[str, str | None] | None:
    with reading(sessions) as session:
        found = last_beats(session).get(MAIL)
    return found and (found.state, found.code)


def test_only_the_last_sign_of_a_part_counts(sessions: Sessions) -> None:
    with writing(sessions) as session:
        beat(session, MAIL, FAILING, "connect refused", NOW)
        beat(session, KAFKA, OK, None, NOW)
        beat(session, MAIL, OK, None, NOW + MINUTE)
        assert last_beats(session) == {MAIL: Beat(NOW + MINUTE, OK, None), KAFKA: Beat(NOW, OK, None)}


def test_a_relay_that_takes_emails_is_well(sessions: Sessions) -> None:
    queue_emails(sessions, 2)
    with SmtpServer() as server:
        send(sessions, server.port)
    assert sign(sessions) == (OK, None)


def test_a_relay_that_refuses_a_letter_for_its_address_is_well(sessions: Sessions) -> None:
    queue_emails(sessions, 1)
    with SmtpServer({"rcpt": "550 5.1.1 no such user"}) as server:
        send(sessions, server.port)
    assert sign(sessions) == (OK, None)


def test_a_relay_that_is_down_fails_with_a_code_until_it_takes_an_email_again(sessions: Sessions) -> None:
    queue_emails(sessions, 2)
    with SmtpServer() as server:
        port = server.port
    send(sessions, port)
    assert sign(sessions) == (FAILING, "connect refused")
    queue_emails(sessions, 1)
    with SmtpServer() as server:
        send(sessions, server.port)
    assert sign(sessions) == (OK, None)


def test_a_relay_that_refuses_the_sender_fails_although_it_answers(sessions: Sessions) -> None:
    queue_emails(sessions, 1)
    with SmtpServer({"mail": "530 5.7.0 authentication required"}) as server:
        send(sessions, server.port)
    assert sign(sessions) == (FAILING, "mail 530 5.7.0 relay_denied")


def test_a_relay_that_took_some_and_broke_fails(sessions: Sessions) -> None:
    queue_emails(sessions, 6)
    late = "421 4.3.2 going down"
    script = {"mail": lambda at: late if at.messages else None, "greeting": lambda at: late if at.number > 2 else None}
    with SmtpServer(script) as server:
        send(sessions, server.port)
    assert sign(sessions) == (FAILING, "connect 421 4.3.2")


def test_a_run_without_an_email_leaves_no_sign(sessions: Sessions) -> None:
    with SmtpServer() as server:
        send(sessions, server.port)
    assert sign(sessions) is None


@pytest.mark.parametrize("code", [None, "x" * 60])
def test_a_code_fits_its_column(sessions: Sessions, code: str | None) -> None:
    with writing(sessions) as session:
        beat(session, MAIL, FAILING, code, NOW)
        assert last_beats(session)[MAIL].code == code
