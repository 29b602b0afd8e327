"""Who stands between us and the relay gets nothing: a tap hears every byte that leaves this machine."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import Engine, select

from comms.rules.replies import Fault, Phase, Reply
from comms.rules.retry import Kind, classify
from comms.services.sending import Channel, SendingReport, send_queued_emails
from comms.store.models import DeliveryAttempt, Email
from comms.store.session import Sessions, make_sessions, reading
from tests.faults.certificates import Authority, shows
from tests.faults.figures import Note
from tests.servers.forwarding import Door
from tests.servers.script import Drop, Hang, Script, Session
from tests.servers.sending import QUICK, queue_emails, smtp_sender
from tests.servers.smtp import SmtpServer

LOGIN = {"username": "anmeldung", "password": "geheimwort"}
USERS = {LOGIN["username"]: LOGIN["password"]}
GO = b"220 2.0.0 go ahead\r\n"
INJECTED = GO + b"250-mail.test\r\n250 AUTH PLAIN\r\n"


@dataclass(frozen=True)
class Hostile:
    """A relay, and what becomes of an email that is to go there."""

    ends: Reply
    tls: Callable[[Authority], ssl.SSLContext | None]
    script: Script = field(default_factory=dict)
    security: str = "starttls"
    trusted: Callable[[Authority], Path] = lambda authority: authority.file


def good(authority: Authority) -> ssl.SSLContext:
    return shows(authority.server())


def none(_: Authority) -> None:
    return None


def other(authority: Authority) -> Path:
    """Another authority's certificate."""
    folder = authority.folder / "other"
    folder.mkdir()
    return Authority(trustme.CA(), folder).file


def only_in_clear(session: Session) -> str | None:
    return "250-mail.test\n250 PIPELINING" if session.tls else None


TLS, AUTH = Phase.TLS, Phase.AUTH
UNTRUSTED = Reply(TLS, fault=Fault.CERTIFICATE)
RELAYS = {
    "STARTTLS stripped": Hostile(Reply(TLS, fault=Fault.TLS_MISSING), none),
    "STARTTLS refused for good": Hostile(Reply(TLS, 502, "5.5.1"), good, {"starttls": "502 5.5.1 no"}),
    "STARTTLS refused for now": Hostile(Reply(TLS, 454, "4.7.0"), good, {"starttls": "454 4.7.0 not now"}),
    "replies injected after STARTTLS": Hostile(Reply(TLS, fault=Fault.INJECTED), good, {"starttls": INJECTED}),
    "wrong name": Hostile(UNTRUSTED, lambda a: shows(a.server("mail.elsewhere.example"))),
    "wrong name, TLS from the start": Hostile(
        UNTRUSTED, lambda a: shows(a.server("elsewhere.example")), security="tls"
    ),
    "expired": Hostile(UNTRUSTED, lambda a: shows(a.server(expired=True))),
    "self-signed": Hostile(UNTRUSTED, lambda a: shows(a.itself()), trusted=other),
    "unknown authority": Hostile(UNTRUSTED, good, trusted=other),
    "unknown authority, TLS at once": Hostile(UNTRUSTED, good, security="tls", trusted=other),
    "TLS 1.0": Hostile(Reply(TLS, fault=Fault.TLS_FAILED), lambda a: shows(a.server(), only=ssl.TLSVersion.TLSv1)),
    "clear where TLS is expected": Hostile(Reply(TLS, fault=Fault.TLS_FAILED), none, security="tls"),
    "closed instead of a handshake": Hostile(Reply(TLS, fault=Fault.CLOSED), good, {"starttls": Drop(GO)}),
    "silent instead of a handshake": Hostile(Reply(TLS, fault=Fault.TIMEOUT), good, {"starttls": Hang(GO)}),
    "login offered in clear only": Hostile(Reply(AUTH, fault=Fault.AUTH_MISSING), good, {"ehlo": only_in_clear}),
    "no TLS at all": Hostile(Reply(AUTH, fault=Fault.AUTH_UNSAFE), none, security="none"),
}


@pytest.mark.parametrize("name", RELAYS)
def test_a_relay_that_cannot_be_trusted_hears_no_word_of_a_letter_and_no_login(
    name: str, empty_sqlite: Engine, tmp_path: Path, figure: Note
) -> None:
    sessions, relay, authority = make_sessions(empty_sqlite), RELAYS[name], Authority(trustme.CA(), tmp_path)
    queue_emails(sessions, 2)
    login = {"security": relay.security, "ca_file": relay.trusted(authority)} | LOGIN
    if relay.ends.fault is Fault.TIMEOUT:
        login |= {"connect_timeout": 1, "command_timeout": 1}
    implicit = relay.security == "tls"
    with SmtpServer(relay.script, tls=relay.tls(authority), implicit_tls=implicit, users=USERS) as server:
        report, heard = send_through_a_tap(sessions, server, **login)

    closed = Channel.PAUSED if classify(relay.ends) is Kind.CONFIGURATION else Channel.RESTING
    assert (report.channel, replies(sessions)) == (closed, {relay.ends})
    assert (untouched(sessions), server.received) == (2, [])
    assert [word for word in secrets(sessions) if word in heard] == []
    figure(f"relay: {name}", f"{classify(relay.ends)}, 0 bytes in clear", f"{relay.ends}, 0 bytes")


def test_the_tap_hears_what_goes_in_clear(empty_sqlite: Engine) -> None:
    """Without this the test above could not fail."""
    sessions = make_sessions(empty_sqlite)
    queue_emails(sessions, 1)
    with SmtpServer() as server:
        _, heard = send_through_a_tap(sessions, server)

    assert {word for word in secrets(sessions) if word not in heard} == set(_login())


def send_through_a_tap(sessions: Sessions, server: SmtpServer, **settings: Any) -> tuple[SendingReport, bytes]:
    with Door(server.port) as door:
        door.open()
        report = send_queued_emails(sessions, smtp_sender(door.port, **settings), QUICK, datetime.now(UTC), limit=10)
    return report, bytes(door.heard)


def replies(sessions: Sessions) -> set[Reply]:
    """How attempts ended that were begun."""
    with reading(sessions) as session:
        found = {
            Reply(Phase(tried.phase), tried.code, tried.enhanced, tried.fault and Fault(tried.fault))
            for tried in session.scalars(select(DeliveryAttempt))
        }
    return {reply for reply in found if reply.fault is not Fault.NOT_STARTED}


def untouched(sessions: Sessions) -> int:
    """Emails that wait as before: nothing handed over, no try burned."""
    with reading(sessions) as session:
        rows = session.execute(select(Email.status, Email.retry_count, Email.handed_over_at)).all()
    return [tuple(row) for row in rows].count(("queued", 0, None))


def secrets(sessions: Sessions) -> list[bytes]:
    """The login in every spelling, addresses, and every line of the letters."""
    with reading(sessions) as session:
        emails = session.execute(select(Email.sender_email, Email.recipient_email, Email.raw)).all()
    lines = [line for _, _, raw in emails for line in (raw or b"").splitlines() if line]
    addresses = [address.encode() for sender, recipient, _ in emails for address in (sender, recipient)]
    return [b"MAIL FROM", *_login(), *addresses, *lines]


def _login() -> list[bytes]:
    name, password = LOGIN["username"].encode(), LOGIN["password"].encode()
    return [name, password, *map(base64.b64encode, (name, password, b"\0" + name + b"\0" + password))]
