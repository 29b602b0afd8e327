"""May this therapist be written to? One verdict: yes, or exactly one first reason and the date on which it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from comms.rules.policy import ContactPolicy


class Reason(StrEnum):
    """Why a therapist is not contacted, in the order in which the first one counts (`domain.md`, "Reasons")."""

    BLOCKED = "blocked"
    INACTIVE = "inactive"
    DO_NOT_CONTACT = "do_not_contact"
    SUPPRESSED_MAILBOX = "suppressed_mailbox"
    NO_EMAIL = "no_email"
    FACTS_MISSING = "facts_missing"
    COOLING_PERIOD = "cooling_period"
    UNANSWERED_EMAIL_PENDING = "unanswered_email_pending"
    CONTACTED_RECENTLY = "contacted_recently"
    MAILBOX_CONTACTED_RECENTLY = "mailbox_contacted_recently"
    BEYOND_RUN_LIMIT = "beyond_run_limit"
    """Could be written to, but this run was told to write fewer emails."""
    CHANGED_MEANWHILE = "changed_meanwhile"
    """Something changed between this run's plan and its write; the next run decides again."""
    LETTER_NOT_RENDERED = "letter_not_rendered"
    """The data of this email cannot be written down; staff see it."""


@dataclass(frozen=True, slots=True)
class LastContact:
    """What the contact state says of one key: held by a waiting email or call, and when the last contact was."""

    held: bool = False
    at: datetime | None = None


NEVER = LastContact()


@dataclass(frozen=True, slots=True)
class TherapistFacts:
    """All that the contact policy looks at. `mailbox` is normalised and None without a working address."""

    therapist_id: int
    status: str = "active"
    do_not_contact: bool = False
    mailbox: str | None = None
    suppressed: bool = False
    facts_missing: bool = False
    rejected_on: date | None = None
    """Local date of the latest rejection that starts a cooling period."""
    next_contact_possible: date | None = None
    """The platform's own word: not before this date."""
    awaiting_answer: bool = False
    contact: LastContact = NEVER
    mailbox_contact: LastContact = NEVER


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is None where the contact is allowed; `next_date` is local, and None where no date ends the reason."""

    reason: Reason | None = None
    next_date: date | None = None

    @property
    def allowed(self) -> bool:
        return self.reason is None


ALLOWED = Verdict()


def can_contact_therapist(facts: TherapistFacts, now: datetime, policy: ContactPolicy) -> Verdict:
    """Decide by the first reason of the list; the date is the day on which the last dated reason ends."""
    reasons = list(_reasons(facts, now, policy))
    if not reasons:
        return ALLOWED
    return Verdict(reasons[0][0], max((end for _, end in reasons if end), default=None))


def _reasons(facts: TherapistFacts, now: datetime, policy: ContactPolicy) -> Iterator[tuple[Reason, date | None]]:
    yield from _never(facts)
    cooling_ends = _cooling_ends(facts, policy)
    if cooling_ends and now.astimezone(policy.zone).date() < cooling_ends:
        yield Reason.COOLING_PERIOD, cooling_ends
    if facts.awaiting_answer:
        yield Reason.UNANSWERED_EMAIL_PENDING, None
    if not _is_free(facts.contact, now, policy):
        yield Reason.CONTACTED_RECENTLY, _window_ends(facts.contact, policy)
    if not _is_free(facts.mailbox_contact, now, policy):
        yield Reason.MAILBOX_CONTACTED_RECENTLY, _window_ends(facts.mailbox_contact, policy)


def _never(facts: TherapistFacts) -> Iterator[tuple[Reason, None]]:
    if facts.status == "blocked":
        yield Reason.BLOCKED, None
    if facts.status == "inactive":
        yield Reason.INACTIVE, None
    if facts.do_not_contact:
        yield Reason.DO_NOT_CONTACT, None
    if facts.suppressed:
        yield Reason.SUPPRESSED_MAILBOX, None
    if facts.mailbox is None and not facts.facts_missing:
        yield Reason.NO_EMAIL, None
    if facts.facts_missing:
        yield Reason.FACTS_MISSING, None


def _cooling_ends(facts: TherapistFacts, policy: ContactPolicy) -> date | None:
    rested = facts.rejected_on and facts.rejected_on + policy.cooling
    return max((day for day in (rested, facts.next_contact_possible) if day), default=None)


def _is_free(contact: LastContact, now: datetime, policy: ContactPolicy) -> bool:
    """The same condition as the compare-and-set of `store.contacts.claim`."""
    return not contact.held and (contact.at is None or contact.at <= now - policy.window)


def _window_ends(contact: LastContact, policy: ContactPolicy) -> date | None:
    if contact.held or contact.at is None:
        return None  # held without an end, however long a pause lasts
    return (contact.at + policy.window).astimezone(policy.zone).date()
