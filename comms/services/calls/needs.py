"""Who needs a call, and what it would be about. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Row,
    String,
    cast,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Session

from comms.rules.availability import read_availability
from comms.rules.contact import NEVER, LastContact, Reason, TherapistFacts, Verdict, can_contact_therapist
from comms.rules.horizon import Windows
from comms.rules.policy import CallPolicy, ContactPolicy
from comms.rules.states import CallKind
from comms.services.calls.due import things_due
from comms.store.models import ContactState, Email, Patient, PhoneCall, PlacementRequest, Suppression, Therapist


@dataclass(frozen=True)
class Place:
    """One placement request to speak of; `email_id` is None where no email asked for it."""

    request_id: int
    email_id: int | None
    taken_up: bool = False
    """In progress, and answered: a person calls about what is on the staff list."""


@dataclass(frozen=True)
class Retry:
    """The missed call that is tried again."""

    call_id: int
    kind: str
    try_number: int
    not_before: datetime | None


@dataclass(frozen=True)
class CallNeed:
    """One therapist to be called, with everything there is to speak of; places in the order of the call."""

    facts: TherapistFacts
    windows: Windows
    land: str | None
    holder: str | None
    email_ids: tuple[int, ...] = ()
    places: tuple[Place, ...] = ()
    retry: Retry | None = None
    only_retry: bool = False
    """Nothing is due but the missed call."""
    alone: bool = False
    """The missed call spoke of no request and no email: it is tried again for its own sake."""

    @property
    def therapist_id(self) -> int:
        return self.facts.therapist_id

    @property
    def is_reply(self) -> bool:
        """A call-back that was missed, and nothing else."""
        return self.only_retry and self.retry is not None and self.retry.kind == CallKind.REPLY

    @property
    def kind(self) -> str:
        if self.retry and (self.retry.kind != CallKind.REPLY or self.only_retry):
            return self.retry.kind
        return CallKind.FOLLOW_UP if self.email_ids else CallKind.FIRST

    @property
    def is_empty(self) -> bool:
        return not (self.email_ids or self.places or self.alone)

    @property
    def booked_call(self) -> int | None:
        """The call that already holds this therapist's contact."""
        kind, _, id_ = (self.holder or "").partition(":")
        return int(id_) if kind == "call" else None


def why_not_called(need: CallNeed, now: datetime, policy: CallPolicy) -> Reason | None:
    return may_be_called(need.facts, now, policy, reply=need.is_reply).reason


def may_be_called(facts: TherapistFacts, now: datetime, policy: CallPolicy, *, reply: bool = False) -> Verdict:
    """Decide as for an email, except that no address is needed and unanswered emails are what the call is for.

    A reply, which answers the therapist's own answer, stands outside all that has a date.
    """
    rule = ContactPolicy(window=policy.window, cooling=policy.cooling, zone=policy.zone)
    if reply:
        facts = replace(facts, contact=NEVER, rejected_on=None, next_contact_possible=None)
    return can_contact_therapist(facts, now, rule)


def load_therapist(session: Session, therapist_id: int) -> CallNeed | None:
    """Load one therapist without anything to be called about; None for an unknown one."""
    query = select(*_THERAPIST).select_from(Therapist).outerjoin(ContactState, _CONTACT)
    row = session.execute(query.where(Therapist.id == therapist_id)).one_or_none()
    return None if row is None else _therapist(row)


def therapists_in_need(session: Session, now: datetime, policy: CallPolicy) -> list[int]:
    """List them in the order in which they get their slots: potentially available first, then the longest waiting."""
    due = things_due(now, policy)
    query = (
        select(Therapist.id)
        .join(due, due.c.therapist_id == Therapist.id)
        .group_by(Therapist.id, Therapist.potentially_available)
        .order_by(Therapist.potentially_available.desc(), func.min(due.c.since), Therapist.id)
    )
    return list(session.scalars(query))


def load_needs(session: Session, therapist_ids: Sequence[int], now: datetime, policy: CallPolicy) -> list[CallNeed]:
    """Load, in one query, what these therapists would be called about; those that need no call are left out."""
    due = things_due(now, policy)
    query = (
        select(*_THERAPIST, due.c.email_id, due.c.request_id, due.c.call_id, *_RETRY)
        .join(due, due.c.therapist_id == Therapist.id)
        .outerjoin(ContactState, _CONTACT)
        .outerjoin(PhoneCall, PhoneCall.id == due.c.call_id)
        .outerjoin(PlacementRequest, PlacementRequest.id == due.c.request_id)
        .outerjoin(Patient, Patient.id == PlacementRequest.patient_id)
        .where(Therapist.id.in_(sorted(therapist_ids)))
        .order_by(Patient.registered_on.is_(None), Patient.registered_on, due.c.request_id, due.c.email_id)
    )
    rows: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in session.execute(query):
        rows[row.id].append(row)
    return [_need(rows[id_]) for id_ in therapist_ids if id_ in rows]


_CONTACT = ContactState.key == literal("therapist:") + cast(Therapist.id, String(20))
_REJECTED_ON = select(func.max(Email.rejected_on)).where(Email.therapist_id == Therapist.id).scalar_subquery()

_THERAPIST = (
    Therapist.id,
    Therapist.status,
    Therapist.do_not_contact.is_not(None).label("do_not_contact"),
    exists().where(Suppression.mailbox == Therapist.mailbox).label("suppressed"),
    Therapist.facts_missing,
    Therapist.next_contact_possible,
    Therapist.land,
    Therapist.phone_availability,
    _REJECTED_ON.label("rejected_on"),
    ContactState.held_by,
    ContactState.contacted_at,
)
_RETRY = (PhoneCall.kind, PhoneCall.try_number, PhoneCall.retry_after)


def _need(rows: Sequence[Row[Any]]) -> CallNeed:
    return replace(
        _therapist(rows[0]),
        email_ids=tuple(sorted({row.email_id for row in rows if row.email_id is not None})),
        places=tuple(_places(rows)),
        retry=_retry(rows),
        only_retry=all(row.call_id is not None for row in rows),
        alone=any(row.email_id is None and row.request_id is None for row in rows),
    )


def _therapist(row: Row[Any]) -> CallNeed:
    windows = read_availability(row.phone_availability).windows
    return CallNeed(facts=_facts(row), windows=windows, land=row.land, holder=row.held_by)


def _places(rows: Iterable[Row[Any]]) -> Iterable[Place]:
    by_request = {row.request_id: Place(row.request_id, row.email_id) for row in rows if row.request_id is not None}
    return by_request.values()


def _retry(rows: Iterable[Row[Any]]) -> Retry | None:
    tried = [Retry(row.call_id, row.kind, row.try_number, row.retry_after) for row in rows if row.call_id is not None]
    return max(tried, key=lambda retry: retry.call_id, default=None)


def _facts(row: Row[Any]) -> TherapistFacts:
    return TherapistFacts(
        therapist_id=row.id,
        status=row.status,
        do_not_contact=bool(row.do_not_contact),
        mailbox="",  # no address is needed
        suppressed=bool(row.suppressed),
        facts_missing=row.facts_missing,
        rejected_on=row.rejected_on,
        next_contact_possible=row.next_contact_possible,
        contact=LastContact(row.held_by is not None, row.contacted_at),
    )
