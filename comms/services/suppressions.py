"""Mailboxes that must never be written to; always normalised (`rules.addresses.mailbox`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session

from comms.errors import BadInput, NotFound
from comms.rules.addresses import mailbox
from comms.rules.contact import Reason
from comms.services.stopping import stop_emails
from comms.store.engines import insert_for
from comms.store.models import Email, Suppression
from comms.store.paging import Page, Slice, newest_first
from comms.store.staff import audit

LONGEST = 320
"""Characters of an address: 64 before the @, 255 after it (RFC 5321, 4.5.3.1)."""

_ONE_ADDRESS = re.compile(r"""(?:[^\s@,;:<>()\[\]\\"]+|"[^"\s]+")@[^\s@,;:<>()"\\]+""")
"""Not whether it could exist (what is suppressed need not), but that it is one address, and only that."""


@dataclass(frozen=True)
class SuppressionView:
    id: int
    mailbox: str
    reason: str | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class Suppressed:
    """`new` is False where it was suppressed before; `canceled` are ids of emails that waited for it."""

    id: int
    new: bool
    canceled: tuple[int, ...]


def suppress_mailbox(
    session: Session, address: str, now: datetime, actor: str, reason: str | None = None
) -> Suppressed:
    """Write to this mailbox never again, and cancel what waits; BadInput for what is no address."""
    box = _mailbox(address)
    row = {"mailbox": box, "reason": reason, "created_by": actor, "created_at": now}
    new = session.scalar(
        insert_for(session)(Suppression).values(row).on_conflict_do_nothing().returning(Suppression.id)
    )
    id_ = new or session.execute(select(Suppression.id).where(Suppression.mailbox == box)).scalar_one()
    canceled = stop_emails(session, now, Reason.SUPPRESSED_MAILBOX, Email.mailbox == box)
    if new:
        audit(session, actor, "suppression.add", "suppression", id_, now)
    return Suppressed(id_, new is not None, tuple(canceled))


def unsuppress_mailbox(session: Session, address: str, now: datetime, actor: str) -> bool:
    """Allow the mailbox again; False where it was not suppressed."""
    return _remove(session, Suppression.mailbox == _mailbox(address), now, actor)


def remove_mailbox(session: Session, address: str, now: datetime, actor: str) -> None:
    """Allow the mailbox again; NotFound where it was not suppressed."""
    if not unsuppress_mailbox(session, address, now, actor):
        raise NotFound("suppression", "of this mailbox")


def remove_suppression(session: Session, id_: int, now: datetime, actor: str) -> None:
    """Allow a mailbox again; NotFound."""
    if not _remove(session, Suppression.id == id_, now, actor):
        raise NotFound("suppression", id_)


def _remove(session: Session, condition: ColumnElement[bool], now: datetime, actor: str) -> bool:
    gone = session.scalar(delete(Suppression).where(condition).returning(Suppression.id))
    if gone is not None:
        audit(session, actor, "suppression.remove", "suppression", gone, now)
    return gone is not None


def list_suppressions(session: Session) -> list[SuppressionView]:
    """List all, newest first."""
    rows = session.execute(_columns().order_by(Suppression.id.desc()))
    return [SuppressionView(**row._mapping) for row in rows]


def page_of_suppressions(session: Session, page: Page, mailbox: str | None = None) -> Slice[SuppressionView]:
    """One page, newest first; `mailbox` in any spelling."""
    query = _columns()
    if mailbox is not None:
        query = query.where(Suppression.mailbox == _mailbox(mailbox, "query.mailbox"))
    found = newest_first(session, query, Suppression.id, page)
    return found.of([SuppressionView(**row._mapping) for row in found.rows])


def show_suppression(session: Session, id_: int) -> SuppressionView:
    """Read one; NotFound."""
    row = session.execute(_columns().where(Suppression.id == id_)).one_or_none()
    if row is None:
        raise NotFound("suppression", id_)
    return SuppressionView(**row._mapping)


def _columns() -> Select[Any]:
    return select(*(getattr(Suppression, name) for name in SuppressionView.__dataclass_fields__))


def _mailbox(address: str, where: str = "address") -> str:
    box = mailbox(address)
    if not _ONE_ADDRESS.fullmatch(box) or len(box) > LONGEST:
        raise BadInput("this is not one email address; write it like praxis@example.org", where=where)
    return box
