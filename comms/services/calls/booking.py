"""Booking calls: one transaction makes the call, its contact, its cells, its requests and its event, or none of it.

Rows are locked in this order: emails, calls, contact keys, cells, requests. Two bookers meet at the emails or at the
keys; the second finds them taken and leaves that therapist alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.orm import Session

from comms.rules.contact import Reason
from comms.rules.policy import CallPolicy
from comms.rules.slots import Slot, SlotReason
from comms.rules.states import PhoneCallStatus
from comms.services.calls.cells import give_cells_back, open_diary, take_cells
from comms.services.calls.conditions import AWAITS_RETRY, UNANSWERED
from comms.services.calls.linking import link
from comms.services.calls.needs import CallNeed, load_needs, why_not_called
from comms.services.events import announce_calls
from comms.store.contacts import call_holder, claim, record_reply, release, therapist_key
from comms.store.engines import insert_for
from comms.store.models import Email, PhoneCall
from comms.store.staff import resolve_items


@dataclass(frozen=True)
class Booking:
    """What became of some therapists: calls by therapist, calls that took up more, refusals, and lost races."""

    calls: dict[int, int] = field(default_factory=dict)
    joined: dict[int, int] = field(default_factory=dict)
    emails: int = 0
    requests: int = 0
    refused: dict[int, Reason | SlotReason] = field(default_factory=dict)
    stranded: frozenset[int] = frozenset()
    """Those among the refused whose missed call has no next try: their requests are in progress and in no call."""
    lost: tuple[int, ...] = ()
    """Therapists whose slot somebody else took at the same moment: to be tried again, with the next slot."""


@dataclass(frozen=True)
class Proposal:
    need: CallNeed
    slot: Slot


@dataclass(frozen=True)
class Decided:
    """What would be done: `joining` has needs of therapists who have a call ahead already."""

    proposals: tuple[Proposal, ...]
    joining: tuple[CallNeed, ...]
    refused: dict[int, Reason | SlotReason]
    stranded: frozenset[int] = frozenset()


def decide(session: Session, therapist_ids: Sequence[int], now: datetime, policy: CallPolicy) -> Decided:
    """Decide for each therapist, in this order: a slot, a call to join, or why neither. Two queries."""
    needs = load_needs(session, therapist_ids, now, policy)
    diary = open_diary(session, now, policy)
    proposals: list[Proposal] = []
    joining: list[CallNeed] = []
    refused: dict[int, Reason | SlotReason] = {}
    for need in needs:
        reason = why_not_called(need, now, policy)
        if reason is Reason.CONTACTED_RECENTLY and need.booked_call and (need.email_ids or need.places):
            joining.append(need)
            continue
        earliest = need.retry.not_before if need.retry else None
        found = reason or diary.find(need.therapist_id, need.windows, need.land, earliest)
        if isinstance(found, Slot):
            diary.take(need.therapist_id, found)
            proposals.append(Proposal(need, found))
        else:
            refused[need.therapist_id] = found
    stranded = frozenset(need.therapist_id for need in needs if need.retry and need.therapist_id in refused)
    return Decided(tuple(proposals), tuple(joining), refused, stranded)


def book(session: Session, therapist_ids: Sequence[int], now: datetime, policy: CallPolicy) -> Booking:
    """Book what can be booked for these therapists, all in the caller's transaction."""
    decided = decide(session, therapist_ids, now, policy)
    still_due = _lock(session, [*(proposal.need for proposal in decided.proposals), *decided.joining])
    ahead = _lock_calls(session, decided.joining, now)
    joining = {call_id: still_due.rest_of(need) for call_id, need in _booked(decided.joining) if call_id in ahead}
    proposals = [replace(each, need=still_due.rest_of(each.need)) for each in decided.proposals]
    made = _insert_calls(session, [each for each in proposals if not each.need.is_empty], now)
    seated, lost, refused = _claim(session, made, now, policy)
    linked = link(session, {**{id_: made[id_].need for id_ in sorted(seated)}, **joining}, now)
    empty = {id_ for id_ in seated - linked.calls if not made[id_].need.alone}
    _unmake(session, empty)
    announce_calls(session, "call_scheduled", linked.calls | (seated - empty), now)
    booked = {made[id_].need.therapist_id: id_ for id_ in sorted(seated - empty)}
    resolve_items(session, "therapist", booked, now, "service", ["no_slot"])
    return Booking(
        calls=booked,
        joined={need.therapist_id: id_ for id_, need in joining.items() if id_ in linked.calls},
        emails=linked.emails,
        requests=linked.requests,
        refused=decided.refused | dict.fromkeys(refused, Reason.CHANGED_MEANWHILE),
        stranded=decided.stranded,
        lost=tuple(lost),
    )


@dataclass(frozen=True)
class StillDue:
    """What nobody answered, followed up or noted since it was loaded; locked now."""

    email_ids: frozenset[int]
    missed_calls: frozenset[int]

    def rest_of(self, need: CallNeed) -> CallNeed:
        if need.retry and need.retry.call_id not in self.missed_calls:
            return replace(need, email_ids=(), places=(), alone=False)
        emails = tuple(id_ for id_ in need.email_ids if id_ in self.email_ids)
        gone = set(need.email_ids) - set(emails)
        return replace(need, email_ids=emails, places=tuple(p for p in need.places if p.email_id not in gone))


def _lock(session: Session, needs: Collection[CallNeed]) -> StillDue:
    missed = {need.retry.call_id: need.email_ids for need in needs if need.retry}
    ids = {id_ for need in needs for id_ in need.email_ids}
    not_before = or_(Email.followed_up_at.is_(None), Email.id.in_(sorted(set().union(*missed.values()))))
    emails = select(Email.id).where(Email.id.in_(sorted(ids)), UNANSWERED, not_before).order_by(Email.id)
    calls = select(PhoneCall.id).where(PhoneCall.id.in_(sorted(missed)), AWAITS_RETRY).order_by(PhoneCall.id)
    return StillDue(
        frozenset(session.scalars(emails.with_for_update(key_share=True))),
        frozenset(session.scalars(calls.with_for_update(key_share=True, of=PhoneCall))),
    )


def _booked(needs: Iterable[CallNeed]) -> Iterator[tuple[int, CallNeed]]:
    return ((need.booked_call, need) for need in needs if need.booked_call)


def _lock_calls(session: Session, joining: Iterable[CallNeed], now: datetime) -> set[int]:
    """Lock the calls that more can be said in: not begun, and nobody has ended them."""
    ids = sorted({call_id for call_id, _ in _booked(joining)})
    ahead = and_(PhoneCall.status == PhoneCallStatus.SCHEDULED, PhoneCall.starts_at > now)
    locked = session.scalars(
        update(PhoneCall)
        .where(PhoneCall.id.in_(ids), ahead)
        .values(version=PhoneCall.version + 1, updated_at=now)
        .returning(PhoneCall.id)
        .execution_options(synchronize_session=False)
    )
    return set(locked)


def _insert_calls(session: Session, proposals: Sequence[Proposal], now: datetime) -> dict[int, Proposal]:
    """Insert the rows; return {call id: proposal}. A next try that somebody else just booked is left out."""
    if not proposals:
        return {}
    insert = insert_for(session)(PhoneCall).on_conflict_do_nothing().returning(PhoneCall.id, PhoneCall.therapist_id)
    of_therapist = {each.need.therapist_id: each for each in proposals}
    inserted = session.execute(insert, [_row(each, now) for each in proposals])
    return {id_: of_therapist[therapist_id] for id_, therapist_id in inserted}


def _row(proposal: Proposal, now: datetime) -> dict[str, Any]:
    retry = proposal.need.retry
    return {
        "therapist_id": proposal.need.therapist_id,
        "caller": proposal.slot.caller,
        "starts_at": proposal.slot.starts_at,
        "duration_minutes": proposal.slot.minutes,
        "kind": proposal.need.kind,
        "status": PhoneCallStatus.SCHEDULED,
        "try_number": retry.try_number + 1 if retry else 1,
        "retry_of_id": retry.call_id if retry else None,
        "created_at": now,
        "updated_at": now,
    }


def _claim(
    session: Session, made: Mapping[int, Proposal], now: datetime, policy: CallPolicy
) -> tuple[set[int], list[int], list[int]]:
    """Claim contacts, then cells; return the calls with both, and the therapists who lost the slot or the claim."""
    keys = {call_holder(id_): [therapist_key(each.need.therapist_id)] for id_, each in made.items()}
    replies = {call_holder(id_) for id_, each in made.items() if each.need.is_reply}
    for holder in sorted(replies):  # a handful at most
        record_reply(session, holder, keys[holder], now)
    wanted = {holder: keys[holder] for holder in keys.keys() - replies}
    holders = replies | claim(session, wanted, now, policy.window)
    claimed = {id_ for id_ in made if call_holder(id_) in holders}
    seated = take_cells(session, {id_: (made[id_].need.therapist_id, made[id_].slot) for id_ in sorted(claimed)})
    _unmake(session, made.keys() - seated)
    lost = [made[id_].need.therapist_id for id_ in sorted(claimed - seated)]
    refused = [made[id_].need.therapist_id for id_ in sorted(made.keys() - claimed)]
    return seated, lost, refused


def _unmake(session: Session, call_ids: Collection[int]) -> None:
    """Take back calls of this very transaction, which nobody else has seen."""
    if not call_ids:
        return
    release(session, [call_holder(id_) for id_ in call_ids])
    give_cells_back(session, call_ids)
    session.execute(delete(PhoneCall).where(PhoneCall.id.in_(sorted(call_ids))))
