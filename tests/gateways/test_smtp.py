"""The SMTP gateway against a real server on loopback that misbehaves at every phase."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from comms.errors import ConfigurationError
from comms.gateways.smtp.connection import prepare_content
from comms.ports import ChannelFault, EmailConnection, Handed, Letter
from comms.rules.replies import Fault, Phase, Reply
from tests.servers.processes import free_port
from tests.servers.script import Drop, Hang, Session
from tests.servers.sending import smtp_sender
from tests.servers.smtp import SmtpServer

CONTENT = b"Message-ID: <1@test.example>\r\nSubject: Anfrage\r\n\r\nGuten Tag\r\n"
LETTER = Letter(1, "vermittlung@platzsuche.example", "praxis@therapie.example", CONTENT)


def yes() -> bool:
    return True


def send(server: SmtpServer, letter: Letter = LETTER, may: Callable[[], bool] = yes, **settings: Any) -> Handed:
    connection = smtp_sender(server.port, **settings).connect()
    try:
        return connection.send(letter, may)
    finally:
        connection.close()


def refusal(server: SmtpServer, **settings: Any) -> Reply:
    with pytest.raises(ChannelFault) as caught:
        smtp_sender(server.port, **settings).connect()
    return caught.value.reply


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


# the good way


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
def test_a_letter_arrives_byte_for_byte_with_one_recipient(offers: tuple[str, ...]) -> None:
    with SmtpServer(offers=offers) as server:
        handed = send(server)

    assert handed == Handed(1, Reply(Phase.CONTENT, 250, "2.0.0"), marked=True)
    [received] = server.received
    assert (received.sender, received.recipients) == (LETTER.sender, (LETTER.recipient,))
    assert received.content == CONTENT


def test_a_connection_is_reused(server: SmtpServer) -> None:
    connection = smtp_sender(server.port).connect()
    for number in range(5):
        assert connection.send(Letter(number, LETTER.sender, LETTER.recipient, CONTENT), yes).reply.code == 250
    connection.close()

    assert (len(server.received), len(server.sessions)) == (5, 1)
    assert server.commands[-1] == "QUIT"


def test_lines_that_begin_with_a_dot_arrive_as_they_were(server: SmtpServer) -> None:
    content = CONTENT + b".\r\n..\r\n.a\r\n\r\n.\r\nend\r\n"

    send(server, Letter(1, LETTER.sender, LETTER.recipient, content))

    assert server.received[0].content == content


@pytest.mark.parametrize("smuggled", [b"a\n.\nb", b"a\r.\rb", b"a\n.\r\nb", b"a\r\n.\nb", b"\r\n.\r"])
def test_no_spelling_of_a_line_end_ends_the_message_early(smuggled: bytes) -> None:
    prepared = prepare_content(b"x\r\n" + smuggled)

    assert b"\r\n.\r\n" not in prepared
    assert prepared.count(b"\r") == prepared.count(b"\n") == prepared.count(b"\r\n")


def test_the_size_is_announced_and_a_letter_above_the_limit_is_not_even_tried() -> None:
    with SmtpServer(offers=("SIZE 100",)) as server:
        small = send(server)
        large = send(server, Letter(2, LETTER.sender, LETTER.recipient, CONTENT * 3))

    assert (small.reply.code, large.reply) == (250, Reply(Phase.MAIL, fault=Fault.TOO_LARGE))
    assert [c for c in server.commands if c.startswith("MAIL")] == [f"MAIL FROM:<{LETTER.sender}> SIZE={len(CONTENT)}"]


# addresses


def test_a_domain_with_umlauts_travels_in_ascii(server: SmtpServer) -> None:
    send(server, Letter(1, LETTER.sender, "praxis@straße-köln.example", CONTENT))

    assert server.received[0].recipients == ("praxis@xn--strae-kln-j1a0x.example",)
    assert "SMTPUTF8" not in "".join(server.commands)


def test_a_local_part_with_umlauts_needs_smtputf8_and_asks_for_it(server: SmtpServer) -> None:
    send(server, Letter(1, LETTER.sender, "jörg@praxis.example", CONTENT))

    assert server.received[0].recipients == ("jörg@praxis.example",)
    assert "SMTPUTF8" in next(c for c in server.commands if c.startswith("MAIL"))


def test_without_smtputf8_such_an_address_is_refused_and_the_connection_goes_on() -> None:
    with SmtpServer(offers=("PIPELINING",)) as server:
        connection = smtp_sender(server.port).connect()
        refused = connection.send(Letter(1, LETTER.sender, "jörg@praxis.example", CONTENT), yes)
        taken = connection.send(LETTER, yes)

    assert refused.reply == Reply(Phase.RCPT, fault=Fault.SMTPUTF8_MISSING)
    assert taken.reply.code == 250


@pytest.mark.parametrize(
    "address",
    ["a@b.example>\r\nRCPT TO:<c@d.example", "a b@c.example", "a@b@c.example", "", "a", "<a@b.example>", "a@",
     "@b.example", "a@b.example\x00", "a,c@b.example", "a" * 300 + "@b.example", "a@" + "ü" * 70 + ".example",
     "a@b.example NOTIFY=NEVER", "\ud800@b.example"],
)  # fmt: skip
def test_what_is_not_one_plain_address_never_reaches_the_wire(server: SmtpServer, address: str) -> None:
    handed = send(server, Letter(1, LETTER.sender, address, CONTENT))

    assert handed.reply == Reply(Phase.RCPT, fault=Fault.RECIPIENT_UNUSABLE)
    assert not [c for c in server.commands if c.startswith(("MAIL", "RCPT"))]


# refusals


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
@pytest.mark.parametrize(
    ("phase", "said", "reply"),
    [
        ("mail", "450 4.7.1 later", Reply(Phase.MAIL, 450, "4.7.1")),
        ("rcpt", "550 5.1.1 unknown", Reply(Phase.RCPT, 550, "5.1.1")),
        ("rcpt", "554 5.7.1 Relay access denied", Reply(Phase.RCPT, 554, "5.7.1", Fault.RELAY_DENIED)),
        ("data", "451 4.3.0 later", Reply(Phase.DATA, 451, "4.3.0")),
        ("content", "554 5.6.0 corrupt", Reply(Phase.CONTENT, 554, "5.6.0")),
    ],
)
def test_a_refusal_costs_one_letter_and_the_next_goes_over_the_same_connection(
    offers: tuple[str, ...], phase: str, said: str, reply: Reply
) -> None:
    refusals = iter([said])
    with SmtpServer({phase: lambda _: next(refusals, None)}, offers=offers) as server:
        connection = smtp_sender(server.port).connect()
        refused = connection.send(LETTER, yes)
        taken = connection.send(LETTER, yes)

    assert refused.reply == reply
    assert taken.reply.code == 250
    assert (len(server.received), len(server.sessions)) == (1, 1)


def test_content_is_never_sent_to_a_server_that_wants_it_without_a_recipient() -> None:
    with SmtpServer({"rcpt": "550 5.1.1 unknown", "data": "354 go on"}) as server:
        connection = smtp_sender(server.port).connect()
        handed = connection.send(LETTER, yes)

    assert handed.reply == Reply(Phase.RCPT, 550, "5.1.1")
    assert not connection.alive
    assert server.received == []


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "content"])
def test_421_ends_the_connection(phase: str) -> None:
    with SmtpServer({phase: "421 4.3.2 closing"}) as server:
        connection = smtp_sender(server.port).connect()

        assert connection.send(LETTER, yes).reply == Reply(Phase(phase), 421, "4.3.2")
        assert not connection.alive


# the mark


def test_the_mark_is_asked_once_after_354_and_before_any_content(server: SmtpServer) -> None:
    asked = []

    def may() -> bool:
        asked.append((list(server.commands), len(server.received)))
        return True

    send(server, may=may)

    [(commands, received)] = asked
    assert (commands[-1], received) == ("DATA", 0)


def test_a_refused_mark_closes_without_the_dot(server: SmtpServer) -> None:
    connection = smtp_sender(server.port).connect()

    handed = connection.send(LETTER, lambda: False)

    assert handed == Handed(1, Reply(Phase.DATA, fault=Fault.MARK_REFUSED), marked=False)
    assert not connection.alive
    assert server.received == []


def test_a_mark_that_raises_closes_without_the_dot_too(server: SmtpServer) -> None:
    connection = smtp_sender(server.port).connect()

    with pytest.raises(ZeroDivisionError):
        connection.send(LETTER, lambda: bool(1 / 0))
    assert not connection.alive
    assert server.received == []


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
def test_the_mark_is_not_asked_for_what_was_refused_before(phase: str) -> None:
    asked: list[bool] = []
    with SmtpServer({phase: "451 later"}) as server:
        handed = send(server, may=lambda: bool(asked.append(True)))

    assert (asked, handed.marked) == ([], False)


# silence


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
@pytest.mark.parametrize(
    ("phase", "marked"), [("mail", False), ("rcpt", False), ("data", False), ("content", True), ("kept", True)]
)
@pytest.mark.parametrize(("behaviour", "fault"), [(Drop(), Fault.CLOSED), (Hang(), Fault.TIMEOUT)])
def test_silence_is_told_with_the_phase_in_which_it_fell(
    offers: tuple[str, ...], phase: str, marked: bool, behaviour: Any, fault: Fault
) -> None:
    dropped = fault is Fault.CLOSED
    with SmtpServer({phase: behaviour}, offers=offers) as server:
        handed = send(server, command_timeout=10 if marked or dropped else 0.5, content_timeout=10 if dropped else 0.2)

    fell = Phase.CONTENT if marked else Phase(phase)
    assert handed == Handed(1, Reply(fell, fault=fault), marked)


def test_a_connection_that_breaks_before_the_dot_has_handed_nothing_over(server: SmtpServer) -> None:
    """The server goes away between the mark and the content: two writes, so that even a fast machine notices."""
    connection = smtp_sender(server.port).connect()
    large = Letter(1, LETTER.sender, LETTER.recipient, CONTENT + b"x" * 70 + b"\r\n" * 4_000_000)

    def leave() -> bool:
        server.__exit__(None, None, None)
        return True

    assert connection.send(large, leave) == Handed(1, Reply(Phase.DATA, fault=Fault.CLOSED), marked=True)


@pytest.mark.parametrize(
    ("early", "reply"),
    [
        (b"250 2.0.0 taken\r\n", Reply(Phase.DATA, fault=Fault.GARBAGE)),
        (b"552 5.3.4 too large\r\n", Reply(Phase.CONTENT, 552, "5.3.4")),
    ],
)
def test_an_answer_before_the_dot_is_no_answer_to_it_and_the_dot_is_kept_back(early: bytes, reply: Reply) -> None:
    """Whoever says 250 before the dot has taken nothing; a refusal is one at any time."""
    with SmtpServer({"data": b"354 go on\r\n" + early}) as server:
        handed = send(server)

    assert handed == Handed(1, reply, marked=True)
    assert server.received == []


@pytest.mark.parametrize(
    "garbage",
    [b"hello\r\n", b"2500 ok\r\n", b"99 x\r\n", b"\r\n", b"\xff\xfe\x00\r\n", b"250-a\r\n354 b\r\n", b"250_ok\r\n",
     b"250-more\r\n" * 200, b"x" * 5_000_000],
)  # fmt: skip
def test_garbage_is_not_an_answer_and_costs_no_memory(garbage: bytes) -> None:
    """Were it read to its end, or waited for, the fault would be a timeout."""
    with SmtpServer({"mail": garbage}) as server:
        handed = send(server, command_timeout=3)

    assert handed.reply == Reply(Phase.MAIL, fault=Fault.GARBAGE)


def test_a_reply_that_drips_does_not_outlive_its_timeout() -> None:
    """A clock that each byte set back would run until the server closes."""

    def drip(_: Session) -> Drop:
        for _ in range(40):
            if server.hang_for(0.02):
                break
            server.write_to_last(b"2")
        return Drop()

    with SmtpServer({"greeting": drip}) as server:
        assert refusal(server, command_timeout=0.2) == Reply(Phase.CONNECT, fault=Fault.TIMEOUT)


# connecting


@pytest.mark.parametrize(
    ("script", "reply"),
    [
        ({"greeting": "554 5.3.2 no service"}, Reply(Phase.CONNECT, 554, "5.3.2")),
        ({"greeting": "421 4.7.0 too many connections"}, Reply(Phase.CONNECT, 421, "4.7.0")),
        ({"greeting": Drop()}, Reply(Phase.CONNECT, fault=Fault.CLOSED)),
        ({"greeting": Hang()}, Reply(Phase.CONNECT, fault=Fault.TIMEOUT)),
        ({"greeting": b"x" * 5_000_000}, Reply(Phase.CONNECT, fault=Fault.GARBAGE)),
        ({"greeting": "354 what"}, Reply(Phase.CONNECT, fault=Fault.GARBAGE)),
        ({"ehlo": "550 5.7.1 go away"}, Reply(Phase.CONNECT, 550, "5.7.1")),
        ({"ehlo": Drop()}, Reply(Phase.CONNECT, fault=Fault.CLOSED)),
    ],
)
def test_a_relay_that_does_not_serve_is_a_channel_fault(script: Any, reply: Reply) -> None:
    patience = 0.5 if reply.fault is Fault.TIMEOUT else 10
    with SmtpServer(script) as server:
        assert refusal(server, command_timeout=patience) == reply


def test_a_closed_port_and_an_unknown_name_are_told_apart(server: SmtpServer) -> None:
    with pytest.raises(ChannelFault) as closed:
        smtp_sender(free_port()).connect()
    assert closed.value.reply == Reply(Phase.CONNECT, fault=Fault.REFUSED)
    assert refusal(server, host="nowhere.invalid") == Reply(Phase.CONNECT, fault=Fault.DNS)


# TLS


@pytest.mark.parametrize(("security", "implicit"), [("starttls", False), ("tls", True)])
def test_letters_travel_over_verified_tls(tls: ssl.SSLContext, ca_file: Path, security: str, implicit: bool) -> None:
    with SmtpServer(tls=tls, implicit_tls=implicit) as server:
        handed = send(server, security=security, ca_file=ca_file)

    assert handed.reply.code == 250
    assert server.received[0].tls


# login


@pytest.mark.parametrize("ways", ["PLAIN LOGIN", "LOGIN"])
def test_the_login_goes_over_tls(tls: ssl.SSLContext, ca_file: Path, ways: str) -> None:
    script = {"ehlo": lambda s: f"250-mail.test\n250 AUTH {ways}" if s.tls else "250-mail.test\n250 STARTTLS"}
    with SmtpServer(script, tls=tls, users={"app": "geheim"}) as server:
        handed = send(server, security="starttls", ca_file=ca_file, username="app", password="geheim")

    assert handed.reply.code == 250
    assert server.received[0].login == "app"


def test_a_wrong_password_is_told_by_its_codes(tls: ssl.SSLContext, ca_file: Path) -> None:
    with SmtpServer(tls=tls, users={"app": "geheim"}) as server:
        reply = refusal(server, security="starttls", ca_file=ca_file, username="app", password="falsch")

    assert reply == Reply(Phase.AUTH, 535, "5.7.8")


def test_a_file_of_certificates_that_cannot_be_read_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="COMMS_SMTP_CA_FILE"):
        smtp_sender(25, security="tls", ca_file=tmp_path / "missing.pem")


# privacy


def test_no_address_and_no_text_gets_into_errors_results_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with SmtpServer({"rcpt": "550 5.1.1 <praxis@therapie.example> Andrea Müller unknown"}) as server:
        handed = send(server)
    with (
        SmtpServer({"greeting": "554 5.7.1 praxis@therapie.example blocked"}) as other,
        pytest.raises(ChannelFault) as caught,
    ):
        smtp_sender(other.port).connect()

    said = repr(handed) + str(handed.reply) + repr(caught.value) + caplog.text
    assert "therapie" not in said
    assert "Müller" not in said


def test_closing_twice_or_after_the_server_left_is_quiet(server: SmtpServer) -> None:
    connection: EmailConnection = smtp_sender(server.port).connect()
    server.__exit__(None, None, None)

    connection.close()
    connection.close()

    assert not connection.alive
