"""Which requests go into which email, in which order; and for every other request, why it waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from comms.rules.contact import ALLOWED, Reason, TherapistFacts, Verdict, can_contact_therapist
from comms.rules.policy import ContactPolicy


class Waiting(StrEnum):
    """Reasons of a request's own; otherwise it waits with its therapist's."""

    BEYOND_BATCH_SIZE = "beyond_batch_size"
    FACTS_MISSING = "facts_missing"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One open placement request."""

    request_id: int
    registered_on: date | None
    facts_missing: bool = False

    @property
    def seniority(self) -> tuple[bool, date, int]:
        """Sorts the oldest registration first, unknown ones last, then by id."""
        return self.registered_on is None, self.registered_on or date.max, self.request_id


@dataclass(frozen=True, slots=True)
class Fate:
    """Either a `position` in the therapist's email, counted from 1, or the `reason` to wait."""

    request_id: int
    position: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """All that is decided about one therapist: the verdict, and one fate for each of its open requests in order."""

    therapist_id: int
    mailbox: str | None
    verdict: Verdict
    fates: tuple[Fate, ...]

    @property
    def chosen(self) -> tuple[int, ...]:
        """The requests of the email in its order; empty where there is none."""
        return tuple(fate.request_id for fate in self.fates if fate.position)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What the plan needs to know about one therapist."""

    facts: TherapistFacts
    requests: tuple[Candidate, ...]

    @property
    def oldest(self) -> tuple[bool, date, int]:
        """Seniority of its first request that could be sent."""
        return min(r.seniority for r in self.requests if not r.facts_missing)


def template_for(patients: int) -> str:
    """Name the template for an inquiry about this many patients."""
    return "initial_contact" if patients == 1 else "batch_request"


def plan_batches(
    inquiries: Iterable[Inquiry], now: datetime, policy: ContactPolicy, limit: int | None = None
) -> list[Decision]:
    """Decide about every therapist with open requests, the longest waiting first.

    `limit` bounds the number of emails. Every mailbox occurs in at most one email: where a practice shares one, the
    therapist with the oldest waiting request goes first.
    """
    judged = [(inquiry, _verdict(inquiry, now, policy)) for inquiry in inquiries]
    allowed = sorted((i for i, verdict in judged if verdict.allowed), key=lambda inquiry: inquiry.oldest)
    refused = [_decide(i, verdict, policy) for i, verdict in judged if not verdict.allowed]
    return [*_choose(allowed, now, policy, limit), *sorted(refused, key=lambda d: d.therapist_id)]


def _verdict(inquiry: Inquiry, now: datetime, policy: ContactPolicy) -> Verdict:
    facts = inquiry.facts
    if all(request.facts_missing for request in inquiry.requests):
        facts = replace(facts, facts_missing=True)
    return can_contact_therapist(facts, now, policy)


def _choose(allowed: Sequence[Inquiry], now: datetime, policy: ContactPolicy, limit: int | None) -> list[Decision]:
    decisions, used = [], set[str]()
    mailbox_again = Verdict(Reason.MAILBOX_CONTACTED_RECENTLY, (now + policy.window).astimezone(policy.zone).date())
    for inquiry in allowed:
        mailbox = inquiry.facts.mailbox or ""
        verdict = ALLOWED
        if mailbox in used:
            verdict = mailbox_again
        elif limit is not None and len(used) >= limit:
            verdict = Verdict(Reason.BEYOND_RUN_LIMIT)
        else:
            used.add(mailbox)
        decisions.append(_decide(inquiry, verdict, policy))
    return decisions


def _decide(inquiry: Inquiry, verdict: Verdict, policy: ContactPolicy) -> Decision:
    ordered = sorted(inquiry.requests, key=lambda request: request.seniority)
    facts = inquiry.facts
    return Decision(facts.therapist_id, facts.mailbox, verdict, tuple(_fates(ordered, verdict, policy)))


def _fates(ordered: Sequence[Candidate], verdict: Verdict, policy: ContactPolicy) -> Iterable[Fate]:
    position = 0
    for request in ordered:
        if verdict.reason:
            yield Fate(request.request_id, reason=verdict.reason)
        elif request.facts_missing:
            yield Fate(request.request_id, reason=Waiting.FACTS_MISSING)
        elif position == policy.patients_per_email:
            yield Fate(request.request_id, reason=Waiting.BEYOND_BATCH_SIZE)
        else:
            position += 1
            yield Fate(request.request_id, position=position)
