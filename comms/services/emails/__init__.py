"""Emails as persons see and move them: write, list, show, queue, cancel, requeue, resolve, bounce."""

from comms.services.emails.canceling import Requests, cancel_email
from comms.services.emails.creating import Written, bytes_from, complete, create_draft, create_queued
from comms.services.emails.queueing import queue_email, requeue_email
from comms.services.emails.reading import EmailDetails, EmailSummary, list_emails, page_of_emails, show_email
from comms.services.emails.resolving import bounce_email, resolve_email

__all__ = [
    "EmailDetails",
    "EmailSummary",
    "Requests",
    "Written",
    "bounce_email",
    "bytes_from",
    "cancel_email",
    "complete",
    "create_draft",
    "create_queued",
    "list_emails",
    "page_of_emails",
    "queue_email",
    "requeue_email",
    "resolve_email",
    "show_email",
]
