"""Every reason code in plain English, for summaries that people read."""

from __future__ import annotations

REASONS = {
    "blocked": "blocked: must not be written to",
    "inactive": "no longer active",
    "do_not_contact": "asked not to be contacted",
    "suppressed_mailbox": "their mailbox must not be written to",
    "no_email": "no working email address",
    "facts_missing": "facts about them are missing",
    "cooling_period": "declined lately and is left in peace for some weeks",
    "unanswered_email_pending": "has an email that is not answered yet",
    "contacted_recently": "was contacted in the last seven days",
    "mailbox_contacted_recently": "their shared mailbox was written to in the last seven days",
    "beyond_run_limit": "beyond the number of emails this run was asked for",
    "beyond_batch_size": "the email is full; goes into the next one",
    "changed_meanwhile": "something changed while the run was on; the next run decides",
    "letter_not_rendered": "the letter could not be written; it is on the staff list",
}


def explain(code: str) -> str:
    """Say a code in plain English; a code without words of its own is spelt out."""
    return REASONS.get(code, code.replace("_", " "))
