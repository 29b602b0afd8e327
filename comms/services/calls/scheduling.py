"""The follow-up run, and single calls booked for one email."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, type_coerce
from sqlalchemy.orm import Session

from comms.errors import Conflict, ContactRefused, NotFound, SlotRefused
from comms.rules.availability import read_availability
from comms.rules.contact import Reason
from comms.rules.policy import CallPolicy
from comms.rules.slots import Slot, SlotReason
from comms.services.calls.booking import Booking, book, decide
from comms.services.calls.cells import open_diary
from comms.services.calls.conditions import UNANSWERED
from comms.services.calls.needs import therapists_in_need
from comms.store.models import Email, StaffItem, Therapist, UtcDateTime
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_items, resolve_items

CHUNK = 100
"""Therapists in one transaction: well under half a second of SQLite's writer lock."""

RACES = 20
"""So often one booking in a session of the caller's looks for the next slot after losing one."""


@dataclass(frozen=True)
class FollowUpReport:
    """What one run did, in counts and ids: `reasons` has the therapists that got no call, {therapist id: code}."""

    call_ids: tuple[int, ...] = ()
    joined: int = 0
    """Therapists whose call ahead took up more."""
    emails: int = 0
    requests: int = 0
    reasons: Mapping[int, str] = field(default_factory=dict)
    beyond_limit: int = 0

    @property
    def scheduled(self) -> int:
        return len(self.call_ids)

    @property
    def refused(self) -> dict[str, int]:
        """{reason: count}, the most frequent first."""
        return dict(Counter(self.reasons.values()).most_common())


def schedule_follow_up_calls(
    sessions: Sessions,
    now: datetime,
    policy: CallPolicy,
    limit: int | None = None,
    *,
    chunk: int = CHUNK,
    dry_run: bool = False,
) -> FollowUpReport:
    """Book every call that is due, at most `limit`; a chunk of therapists is one transaction. Safe to run at once."""
    with reading(sessions) as session:
        queue = deque(therapists_in_need(session, now, policy))
    if not dry_run:
        _forget_settled(sessions, queue, now)
    done = FollowUpReport()
    while queue and (limit is None or done.scheduled < limit):
        room = chunk if limit is None else min(chunk, limit - done.scheduled)
        part = [queue.popleft() for _ in range(min(room, len(queue)))]
        booking = _look(sessions, part, now, policy) if dry_run else _book(sessions, part, now, policy)
        queue.extendleft(reversed(booking.lost))
        done = _plus(done, booking)
    return FollowUpReport(**{**vars(done), "beyond_limit": len(queue)})


def _book(sessions: Sessions, therapist_ids: Sequence[int], now: datetime, policy: CallPolicy) -> Booking:
    with writing(sessions) as session:
        booking = book(session, therapist_ids, now, policy)
        list_without_slot(session, booking, now, policy)
    return booking


def _look(sessions: Sessions, therapist_ids: Sequence[int], now: datetime, policy: CallPolicy) -> Booking:
    """Decide as the run would; calls have no numbers yet, so those of the therapists stand in for them."""
    with reading(sessions) as session:
        decided = decide(session, therapist_ids, now, policy)
    needs = [each.need for each in decided.proposals] + list(decided.joining)
    return Booking(
        calls={each.need.therapist_id: each.need.therapist_id for each in decided.proposals},
        joined={need.therapist_id: need.booked_call or 0 for need in decided.joining},
        emails=sum(len(need.email_ids) for need in needs),
        requests=sum(len(need.places) for need in needs),
        refused=decided.refused,
    )


def _plus(done: FollowUpReport, booking: Booking) -> FollowUpReport:
    return FollowUpReport(
        call_ids=(*done.call_ids, *booking.calls.values()),
        joined=done.joined + len(booking.joined),
        emails=done.emails + booking.emails,
        requests=done.requests + booking.requests,
        reasons={**done.reasons, **booking.refused},
    )


def list_without_slot(session: Session, booking: Booking, now: datetime, policy: CallPolicy) -> None:
    """Remember for whom there was no slot, and who gets no next try; staff see it when that lasts."""
    details = {
        id_: {"reason": reason.value}
        for id_, reason in booking.refused.items()
        if isinstance(reason, SlotReason) or id_ in booking.stranded
    }
    shown_from = now + policy.no_slot_patience
    raise_items(session, "therapist", {id_: id_ for id_ in details}, "no_slot", now, details, shown_from)


def _forget_settled(sessions: Sessions, in_need: Iterable[int], now: datetime) -> None:
    """A therapist who needs no call any more needs no slot either."""
    with writing(sessions) as session:
        open_items = select(StaffItem.subject_id).where(
            StaffItem.subject_type == "therapist", StaffItem.reason == "no_slot", StaffItem.resolved_at.is_(None)
        )
        settled = set(session.scalars(open_items)) - set(in_need)
        if settled:
            resolve_items(session, "therapist", settled, now, "service", ["no_slot"])


def find_available_slot(
    session: Session, therapist_id: int, now: datetime, policy: CallPolicy, *, not_before: datetime | None = None
) -> Slot | SlotReason:
    """Find the next free slot in a therapist's phone hours, or say why there is none; books nothing."""
    query = select(Therapist.phone_availability, Therapist.land).where(Therapist.id == therapist_id)
    therapist = session.execute(query).one_or_none()
    if therapist is None:
        raise NotFound("therapist", therapist_id)
    windows = read_availability(therapist.phone_availability).windows
    return open_diary(session, now, policy).find(therapist_id, windows, therapist.land, not_before)


def schedule_call_for_email(session: Session, email_id: int, now: datetime, policy: CallPolicy) -> int:
    """Book the call for one unanswered email, and with it for all of this therapist's; return the call's id.

    Raises Conflict where no call is due, ContactRefused or SlotRefused where one cannot be booked now.
    """
    therapist_id = _due_therapist(session, email_id, now, policy)
    booking = book_now(session, therapist_id, now, policy)
    call_id = booking.calls.get(therapist_id) or booking.joined.get(therapist_id)
    if call_id is None:
        raise _refusal(booking.refused.get(therapist_id, Reason.CHANGED_MEANWHILE))
    return call_id


def book_now(session: Session, therapist_id: int, now: datetime, policy: CallPolicy) -> Booking:
    """Book in the caller's transaction, whatever races it loses; no slot goes on the staff list."""
    booking = Booking()
    for _ in range(RACES):
        booking = book(session, [therapist_id], now, policy)
        if not booking.lost:
            break
    list_without_slot(session, booking, now, policy)
    return booking


def _due_therapist(session: Session, email_id: int, now: datetime, policy: CallPolicy) -> int:
    since = func.coalesce(Email.sent_at, Email.handed_over_at).label("since")
    query = select(Email.therapist_id, Email.followed_up_at, type_coerce(since, UtcDateTime), UNANSWERED)
    found = session.execute(query.where(Email.id == email_id)).one_or_none()
    if found is None:
        raise NotFound("email", email_id)
    therapist_id, followed_up_at, since_, unanswered = found
    if not unanswered:
        raise Conflict(f"email {email_id} awaits no answer: a call follows up emails sent and unanswered")
    if followed_up_at:
        raise Conflict(f"email {email_id} was followed up by a call already")
    due_at = since_ + policy.follow_up_after
    if due_at > now:
        raise Conflict(f"email {email_id} may still be answered until {due_at.isoformat(timespec='minutes')}")
    return int(therapist_id)


def _refusal(reason: Reason | SlotReason) -> Conflict:
    if isinstance(reason, SlotReason):
        return SlotRefused(reason.value, f"no slot for a call: {reason.value}")
    return ContactRefused(reason.value)
