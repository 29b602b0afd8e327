"""What ought to be true, in memory: requests, therapists, emails and calls as a person with a notebook would keep them.

Written from `docs/` and the words of the rules, not from the code under test: no ledger, no leases, no versions. Whom a
key belongs to and when the last contact was is worked out anew from the emails and calls at each question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from comms.rules.policy import BERLIN

WEEK = timedelta(days=7)
REST = timedelta(weeks=4)
PER_EMAIL = 5


@dataclass
class Therapist:
    id: int
    mailbox: str | None
    standing: str = "active"
    refused: bool = False
    """The address turned out not to exist."""

    @property
    def address(self) -> str | None:
        return None if self.refused else self.mailbox


@dataclass
class Request:
    id: int
    patient: int
    therapist: int
    word: str | None = None
    """How it ended: accepted, rejected, withdrawn; None while somebody still waits."""
    why: str | None = None
    """Who said so: answer, platform, staff, or placed: the patient has a place elsewhere."""

    @property
    def seniority(self) -> tuple[int, int]:
        """Patients with lower numbers registered earlier."""
        return self.patient, self.id


@dataclass
class Email:
    id: int
    therapist: int
    mailbox: str
    asked: set[int]
    """Requests that the letter speaks of."""
    status: str = "queued"
    holds: set[int] = field(default_factory=set)
    """Requests that wait in it."""
    at: datetime | None = None
    """When it was handed over."""
    doubted_at: datetime | None = None
    marked: bool = False
    """While it is `sending`: handed over, or about to be."""
    taken: bool = False
    """While it is `sending`: the relay's word is written down."""
    answered: bool = False
    closed: str | None = None
    followed_up: bool = False
    outcomes: dict[int, str] = field(default_factory=dict)
    """What was answered to it; what was said on the phone stands in `said` alone."""
    said: dict[int, tuple[str, date]] = field(default_factory=dict)
    """The latest word about each request in it, on whatever road, and its day."""
    once_more: int = 0
    """How often a person had it handed over again although it may have arrived."""

    @property
    def rejected_on(self) -> date | None:
        """The day of the latest no, where nothing else was said."""
        words = {word for word, _ in self.said.values()}
        return max(day for _, day in self.said.values()) if words == {"rejected"} else None

    @property
    def waits(self) -> bool:
        """It may still be changed, and be kept from being sent."""
        return self.status in ("queued", "failed") or (self.status == "sending" and not self.marked)

    @property
    def pending(self) -> bool:
        return self.status in ("sent", "in_doubt") and not self.answered and self.closed is None

    @property
    def contact(self) -> datetime | None:
        """When it reached somebody, or may have."""
        if self.status in ("sent", "in_doubt"):
            return self.at
        return self.doubted_at if self.status in ("failed", "canceled") else None


@dataclass
class Call:
    id: int
    therapist: int
    starts_at: datetime
    speaks_of: dict[int, int | None]
    """{request: the email through which it came}"""
    emails: set[int]
    status: str = "scheduled"
    number: int = 1
    tries_again: bool = False
    """Missed, and its next try is not booked yet."""
    reached_at: datetime | None = None

    @property
    def ahead(self) -> bool:
        return self.status == "scheduled" or self.tries_again


@dataclass
class Model:
    now: datetime
    therapists: dict[int, Therapist] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    emails: dict[int, Email] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    suppressed: set[str] = field(default_factory=set)

    def emails_of(self, therapist: int) -> list[Email]:
        return [email for email in self.emails.values() if email.therapist == therapist]

    def calls_of(self, therapist: int) -> list[Call]:
        return [call for call in self.calls.values() if call.therapist == therapist]

    def is_held(self, request: int) -> bool:
        """Whether it waits in an email or in a call that is booked."""
        in_email = any(request in email.holds for email in self.emails.values())
        return in_email or any(c.status == "scheduled" and request in c.speaks_of for c in self.calls.values())

    def may_be_written_to(self, therapist: Therapist) -> bool:
        """Nothing stands against a letter to this therapist now."""
        if therapist.address is None or not self.may_be_contacted(therapist):
            return False
        if any(email.pending for email in self.emails_of(therapist.id)):
            return False
        return self.is_free(therapist.id) and self.is_mailbox_free(therapist.address)

    def may_be_called(self, therapist: Therapist) -> bool:
        return self.may_be_contacted(therapist) and self.is_free(therapist.id)

    def may_be_contacted(self, therapist: Therapist) -> bool:
        if therapist.standing != "active" or therapist.mailbox in self.suppressed:
            return False
        rejected = [email.rejected_on for email in self.emails_of(therapist.id) if email.rejected_on]
        return not rejected or self.now.astimezone(BERLIN).date() >= max(rejected) + REST

    def is_free(self, therapist: int) -> bool:
        """No email and no call waits for this therapist, and the last contact was a week ago."""
        emails, calls = self.emails_of(therapist), self.calls_of(therapist)
        if any(call.status == "scheduled" for call in calls) or any(_is_on_its_way(email) for email in emails):
            return False
        return self._is_week_ago([*(email.contact for email in emails), *(call.reached_at for call in calls)])

    def is_mailbox_free(self, mailbox: str) -> bool:
        emails = [email for email in self.emails.values() if email.mailbox == mailbox]
        return not any(map(_is_on_its_way, emails)) and self._is_week_ago(email.contact for email in emails)

    def _is_week_ago(self, contacts: Iterable[datetime | None]) -> bool:
        return all(at is None or at <= self.now - WEEK for at in contacts)

    def plan(self, open_requests: Iterable[int]) -> dict[int, list[int]]:
        """{therapist: the requests of its email, in order}: the oldest first, and each mailbox once."""
        waiting: dict[int, list[Request]] = {}
        for request in sorted((self.requests[id_] for id_ in open_requests), key=lambda one: one.seniority):
            waiting.setdefault(request.therapist, []).append(request)
        planned: dict[int, list[int]] = {}
        used: set[str] = set()
        for id_, requests in waiting.items():
            therapist = self.therapists[id_]
            if self.may_be_written_to(therapist) and therapist.address not in used:
                used.add(str(therapist.address))
                planned[id_] = [request.id for request in requests[:PER_EMAIL]]
        return planned

    def due(self, therapist: Therapist, open_requests: Iterable[int]) -> set[int]:
        """The requests that a call to this therapist would speak of now."""
        found = {id_ for email in self._unanswered_for_a_week(therapist.id) for id_ in email.holds}
        if therapist.address is None:
            found |= {id_ for id_ in open_requests if self.requests[id_].therapist == therapist.id}
        return found | set(self._to_try_again(therapist.id))

    def is_due(self, therapist: Therapist, open_requests: Iterable[int]) -> bool:
        return bool(self._unanswered_for_a_week(therapist.id) or self.due(therapist, open_requests))

    def _unanswered_for_a_week(self, therapist: int) -> list[Email]:
        emails = [email for email in self.emails_of(therapist) if email.pending and not email.followed_up]
        return [email for email in emails if email.at and email.at <= self.now - WEEK]

    def _to_try_again(self, therapist: int) -> Iterator[int]:
        for call in self.calls_of(therapist):
            if call.tries_again:
                yield from (id_ for id_ in call.speaks_of if self.requests[id_].word is None and not self._called(id_))

    def _called(self, request: int) -> bool:
        return any(call.status == "scheduled" and request in call.speaks_of for call in self.calls.values())


def _is_on_its_way(email: Email) -> bool:
    return email.status in ("queued", "sending")
