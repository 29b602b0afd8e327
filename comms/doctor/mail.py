"""The mail relay: does it answer over TLS, with our login, and would it take a letter? On request it gets one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

from comms.config import Settings, SmtpSettings
from comms.doctor.findings import Finding, fault, ok, warning
from comms.gateways.smtp import SmtpSender
from comms.gateways.smtp.connection import SmtpConnection
from comms.ports import ChannelFault, Letter
from comms.rules.replies import Fault, Phase, Reply
from comms.services.letters.message import Headers, Parts, build_message

SUBJECT, TEST = "mail relay", "test mail"
LIMIT = 5.0
"""Seconds for each step: a relay that takes longer is slow, whatever the sender would wait."""

CURES = {
    Fault.DNS: "SMTP_HOST: the name is not known; is it spelled right?",
    Fault.REFUSED: "nobody listens there; SMTP_HOST and SMTP_PORT, or start the relay",
    Fault.UNREACHABLE: "no way leads there; look at network and firewall",
    Fault.TIMEOUT: "it is silent; a firewall that drops, or the wrong port: 465 wants SMTP_SECURITY=tls",
    Fault.CLOSED: "it hung up; the wrong port for SMTP_SECURITY, or it lets this address in no more",
    Fault.GARBAGE: "that is no mail server, or it speaks TLS from the start: SMTP_SECURITY=tls",
    Fault.CERTIFICATE: "its certificate is not trusted or is for another name: SMTP_HOST, COMMS_SMTP_CA_FILE",
    Fault.TLS_MISSING: "it offers no STARTTLS; another port, or SMTP_SECURITY=tls",
    Fault.TLS_FAILED: "TLS cannot be agreed on; its version is too old, or the port speaks none",
    Fault.AUTH_UNSAFE: "a password goes over TLS only: SMTP_SECURITY",
    Fault.AUTH_MISSING: "it offers no login here; without SMTP_USERNAME none is tried",
    Fault.RELAY_DENIED: "it does not send on for us; SMTP_USERNAME, or let this machine in",
}
BY_PHASE = {
    Phase.AUTH: "SMTP_USERNAME and SMTP_PASSWORD",
    Phase.MAIL: "EMAIL_SENDER is not ours to use there; have the relay allow it",
    Phase.RCPT: "it does not take mail for this address",
}


def look(settings: Settings, send_to: str | None) -> Iterator[Finding]:
    """Connect as the sender does; `send_to` gets a letter that says what it is for."""
    smtp = settings.get_smtp_settings()
    hurried = {name: min(LIMIT, getattr(smtp, name)) for name in ("connect_timeout", "command_timeout")}
    try:
        connection = SmtpSender(smtp.model_copy(update=hurried)).connect()
    except ChannelFault as away:
        yield _refused(SUBJECT, away.reply)
        return
    try:
        yield from _talk(connection, smtp, settings, send_to)
    finally:
        connection.close()


def _talk(connection: SmtpConnection, smtp: SmtpSettings, settings: Settings, send_to: str | None) -> Iterator[Finding]:
    yield ok(
        SUBJECT, f"answers; {'TLS is verified' if smtp.use_tls else 'no TLS'}{', logged in' * bool(smtp.username)}"
    )
    refusal = connection.refusal_of(smtp.sender, send_to or smtp.sender)
    if refusal is None:
        yield ok(SUBJECT, "takes letters from EMAIL_SENDER")
    elif refusal.phase is Phase.RCPT and refusal.fault is not Fault.RELAY_DENIED:
        yield warning(SUBJECT, f"takes EMAIL_SENDER, but no mail for it ({refusal})", "bounces to it would be lost")
    else:
        yield _refused(SUBJECT, refusal)
    if send_to and refusal is None:
        yield _send(connection, settings, send_to)


def _send(connection: SmtpConnection, settings: Settings, recipient: str) -> Finding:
    message_id = f"<doctor.{secrets.token_hex(8)}@{settings.email_sender.rpartition('@')[2]}>"
    letter = Letter(0, settings.email_sender, recipient, _letter(settings, recipient, message_id))
    reply = connection.send(letter, lambda: True).reply
    if reply.phase is Phase.CONTENT and reply.code and reply.code < 300:
        return ok(TEST, f"taken; look for it there, with SPF, DKIM and DMARC in its headers: {message_id}")
    return _refused(TEST, reply)


def _letter(settings: Settings, recipient: str, message_id: str) -> bytes:
    words = f"This is a test of {settings.organisation}'s communication service, asked for with `comms doctor`."
    headers = Headers(
        message_id=message_id, dated=datetime.now(UTC), sender=settings.email_sender,
        sender_name=settings.email_sender_name, recipient=recipient, recipient_name="",
        reply_to=settings.reply_to, unsubscribe=settings.unsubscribe, language="en",
    )  # fmt: skip
    return build_message(Parts("Test of the communication service", f"<p>{words}</p>", words), headers)


def _refused(subject: str, reply: Reply) -> Finding:
    cure = CURES.get(reply.fault) if reply.fault else None
    return fault(subject, f"cannot be used ({reply})", cure or BY_PHASE.get(reply.phase) or "look into its log")
