"""What tests of the sender share: settings for a server on loopback, and queued emails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from comms.config import SmtpSettings
from comms.gateways.smtp import SmtpSender
from comms.rules.policy import SendingPolicy
from comms.services.events import announce_emails
from comms.store.contacts import claim, email_holder, mailbox_key, therapist_key
from comms.store.engines import clock
from comms.store.session import Sessions, writing
from tests.factories import make_email, make_request, make_therapist

WEEK = timedelta(hours=168)
QUICK = SendingPolicy(lease=timedelta(seconds=20), breaker_pause=timedelta(minutes=5))


def smtp_settings(port: int, **changes: Any) -> SmtpSettings:
    values: dict[str, Any] = {
        "host": "localhost",
        "port": port,
        "username": None,
        "password": None,
        "use_tls": changes.get("security", "none") != "none",
        "security": "none",
        "sender": "vermittlung@platzsuche.example",
        "sender_name": "Vermittlung",
        "ca_file": None,
        "connect_timeout": 5,
        "command_timeout": 5,
        "content_timeout": 5,
    }
    return SmtpSettings(**(values | changes))


def smtp_sender(port: int, **changes: Any) -> SmtpSender:
    return SmtpSender(smtp_settings(port, **changes))


def queue_emails(sessions: Sessions, count: int, *, per_email: int = 1, **facts: Any) -> list[int]:
    """Queue emails to as many therapists, due a minute ago, with their contact keys claimed; oldest first."""
    at = datetime.now(UTC) - timedelta(minutes=10)
    with writing(sessions) as session:
        ids = []
        for place in range(count):
            therapist = make_therapist(session)
            requests = [make_request(session, therapist) for _ in range(per_email)]
            times = {"next_attempt_at": at + timedelta(milliseconds=place), "queued_at": at}
            email = make_email(session, therapist, requests, **(times | facts))
            keys = [therapist_key(therapist.id), mailbox_key(str(therapist.mailbox))]
            assert claim(session, {email_holder(email.id): keys}, at, WEEK)
            ids.append(email.id)
    return ids


def queue_told_emails(sessions: Sessions, count: int) -> list[int]:
    """Queue emails and announce each, as the batch does."""
    ids = queue_emails(sessions, count)
    with writing(sessions) as session:
        now = clock(session)
        facts = {"template": "batch_request", "status": "queued"}
        announce_emails(session, "email_created", ids, now, dict.fromkeys(ids, facts))
    return ids
