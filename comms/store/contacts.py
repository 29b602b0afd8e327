"""At most one contact in 7 x 24 hours, guaranteed by one compare-and-set upsert per chunk.

A contact has a holder (`email:ID`, `call:ID`) and keys (`therapist:ID`, `mailbox:ADDRESS`). Keys are always touched
in sorted order and in one statement: key by key in a longer transaction deadlocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import and_, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from comms.store.engines import insert_for
from comms.store.models import ContactEntry, ContactState, UtcDateTime

CONTACT_KINDS = ("contact", "override")


def therapist_key(therapist_id: int) -> str:
    return f"therapist:{therapist_id}"


def mailbox_key(mailbox: str) -> str:
    """`mailbox` is already normalised (`rules.addresses.mailbox`)."""
    return f"mailbox:{mailbox}"


def email_holder(email_id: int) -> str:
    return f"email:{email_id}"


def call_holder(call_id: int) -> str:
    return f"call:{call_id}"


def claim(session: Session, wanted: Mapping[str, Collection[str]], now: datetime, window: timedelta) -> set[str]:
    """Claim every key of many holders at once; return the holders that won all of theirs.

    `wanted` is {holder: keys}; no key may stand in two of them. A holder that wins only half gives its half back.
    """
    holder_of = {key: holder for holder, keys in wanted.items() for key in keys}
    if not holder_of:
        return set(wanted)
    won = _take(session, holder_of, now, window)
    winners = {holder for holder, keys in wanted.items() if won.issuperset(keys)}
    losers = wanted.keys() - winners
    _give_back(session, {key: holder_of[key] for key in won if holder_of[key] in losers})
    _record(session, {holder: wanted[holder] for holder in winners}, now, "contact")
    return winners


def _take(session: Session, holder_of: Mapping[str, str], now: datetime, window: timedelta) -> set[str]:
    rows = [{"key": key, "held_by": holder, "contacted_at": now} for key, holder in sorted(holder_of.items())]
    upsert = insert_for(session)(ContactState).values(rows)
    free = and_(
        ContactState.held_by.is_(None),
        or_(ContactState.contacted_at.is_(None), ContactState.contacted_at <= now - window),
    )
    upsert = upsert.on_conflict_do_update(
        index_elements=["key"],
        where=free,
        set_={"held_by": upsert.excluded.held_by, "contacted_at": upsert.excluded.contacted_at},
    )
    return set(session.execute(upsert.returning(ContactState.key)).scalars())


def _give_back(session: Session, lost: Mapping[str, str]) -> None:
    for holder in sorted(set(lost.values())):
        _recompute(session, [key for key, owner in lost.items() if owner == holder], [holder])


def _record(session: Session, keys_of: Mapping[str, Collection[str]], at: datetime, kind: str) -> None:
    rows = [{"key": k, "holder": h, "at": at, "kind": kind} for h, keys in keys_of.items() for k in sorted(keys)]
    if rows:
        session.execute(insert(ContactEntry), rows)


def override(session: Session, holder: str, keys: Collection[str], now: datetime) -> None:
    """Take the keys although the rule forbids it; the ledger says so. The caller has checked right and reason."""
    rows = [{"key": key, "held_by": holder, "contacted_at": now} for key in sorted(keys)]
    upsert = insert_for(session)(ContactState).values(rows)
    session.execute(
        upsert.on_conflict_do_update(
            index_elements=["key"],
            set_={"held_by": upsert.excluded.held_by, "contacted_at": upsert.excluded.contacted_at},
        )
    )
    _record(session, {holder: keys}, now, "override")


def override_beside(session: Session, holder: str, keys: Collection[str], now: datetime) -> None:
    """Like `override`, but what another holds stays held by it: a waiting email still goes out."""
    rows = [{"key": key, "held_by": holder, "contacted_at": now} for key in sorted(keys)]
    upsert = insert_for(session)(ContactState).values(rows)
    held = func.coalesce(ContactState.held_by, upsert.excluded.held_by)
    session.execute(
        upsert.on_conflict_do_update(
            index_elements=["key"], set_={"held_by": held, "contacted_at": upsert.excluded.contacted_at}
        )
    )
    _record(session, {holder: keys}, now, "override")


def record_reply(session: Session, holder: str, keys: Collection[str], now: datetime) -> None:
    """Write down a message that answers the therapist's own answer: it needs no claim and takes none."""
    _record(session, {holder: keys}, now, "reply")


def release(session: Session, holders: Iterable[str]) -> None:
    """Forget contacts that did not happen (failed, bounced, canceled); the keys fall back to the last one that did."""
    names = sorted(set(holders))
    gone = delete(ContactEntry).where(ContactEntry.holder.in_(names)).returning(ContactEntry.key)
    keys = sorted(set(session.execute(gone).scalars()))
    _recompute(session, keys, names)


def happened(session: Session, at: Mapping[str, datetime]) -> None:
    """Move contacts to the time they really took place, {holder: instant}, and hold their keys no longer."""
    if not at:
        return
    instants = {holder: literal(instant, UtcDateTime()) for holder, instant in sorted(at.items())}
    session.execute(
        update(ContactEntry)
        .where(ContactEntry.holder.in_(sorted(at)))
        .values(at=case(instants, value=ContactEntry.holder))
        .execution_options(synchronize_session=False)
    )
    _recompute(session, keys_of(session, at), sorted(at))


def took_place(session: Session, holder: str, keys: Collection[str], at: datetime) -> None:
    """Write down a contact that really happened at `at` and that nobody holds keys for: a late note."""
    names = sorted(keys)
    rows = [{"key": key, "held_by": None, "contacted_at": at} for key in names]
    session.execute(insert_for(session)(ContactState).values(rows).on_conflict_do_nothing())
    _record(session, {holder: names}, at, "contact")
    _recompute(session, names, [holder])


def keys_of(session: Session, holders: Iterable[str]) -> list[str]:
    """List the keys in the ledger of these holders, sorted."""
    query = select(ContactEntry.key).where(ContactEntry.holder.in_(sorted(holders))).distinct()
    return sorted(session.execute(query).scalars())


def _recompute(session: Session, keys: list[str], holders: list[str]) -> None:
    """Set each key to the last contact that stands; what another holds stays held."""
    if not keys:
        return
    lock = select(ContactState.key).where(ContactState.key.in_(keys)).order_by(ContactState.key)
    session.execute(lock.with_for_update()).all()
    last = (
        select(func.max(ContactEntry.at))
        .where(ContactEntry.key == ContactState.key, ContactEntry.kind.in_(CONTACT_KINDS))
        .scalar_subquery()
    )
    held = case((ContactState.held_by.in_(holders), None), else_=ContactState.held_by)
    session.execute(
        update(ContactState)
        .where(ContactState.key.in_(keys))
        .values(contacted_at=last, held_by=held)
        .execution_options(synchronize_session=False)
    )


def states(session: Session, keys: Iterable[str]) -> dict[str, tuple[str | None, datetime | None]]:
    """Read {key: (holder, last contact)} for the keys that have ever been used."""
    wanted = sorted(set(keys))
    found: dict[str, tuple[str | None, datetime | None]] = {}
    for start in range(0, len(wanted), 10_000):
        part = wanted[start : start + 10_000]
        query = select(ContactState.key, ContactState.held_by, ContactState.contacted_at)
        found.update({k: (h, at) for k, h, at in session.execute(query.where(ContactState.key.in_(part)))})
    return found


def all_keys(keys: Iterable[Collection[str]]) -> list[str]:
    """Flatten many sets of keys, sorted and once each."""
    return sorted(set(chain.from_iterable(keys)))
