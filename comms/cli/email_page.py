"""One email on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from comms.cli.output import console, print_table
from comms.services.emails import EmailDetails


def print_email(email: EmailDetails, zone: ZoneInfo) -> None:
    """Facts, requests, attempts, then the words as text."""
    print_table(("", ""), _facts(email), title=f"email {email.id}", zone=zone)
    if email.batches:
        console.print()
        print_table(("request", "number", "included", "outcome", "answered"), _requests(email), zone=zone)
    if email.attempts:
        console.print()
        columns = ("attempt", "started", "handed over", "outcome", "phase", "code", "fault")
        print_table(columns, _attempts(email), zone=zone)
    console.print()
    console.print(email.body_text, markup=False)


def _facts(email: EmailDetails) -> Iterator[tuple[str, Any]]:
    yield "status", email.status if not email.status_reason else f"{email.status} ({email.status_reason})"
    yield "to", f"{email.recipient_name} <{email.recipient_email}>"
    yield "subject", email.subject
    yield "Message-ID", email.message_id
    for name in (
        "therapist_id",
        "template",
        "batch_id",
        "created_at",
        "queued_at",
        "next_attempt_at",
        "handed_over_at",
    ):
        yield name.removesuffix("_id").removesuffix("_at").replace("_", " "), getattr(email, name)
    yield "sent", email.sent_at
    yield "error", email.error_message
    yield "contact rule broken", email.override_reason
    yield "answered", email.response_date if email.response_received else "no"
    yield "answer", email.response_content
    yield "events", email.events


def _requests(email: EmailDetails) -> Iterator[tuple[Any, ...]]:
    for b in email.batches:
        yield b.placement_request_id, b.number, b.included, b.response_outcome, b.responded_at


def _attempts(email: EmailDetails) -> Iterator[tuple[Any, ...]]:
    for a in email.attempts:
        yield a.attempt, a.started_at, a.handed_over_at, a.outcome, a.phase, a.enhanced or a.code, a.fault
