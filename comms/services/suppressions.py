"""Mailboxes that must never be written to; always normalised (`rules.addresses.mailbox`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from comms.errors import BadInput
from comms.rules.addresses import mailbox
from comms.rules.contact import Reason
from comms.services.stopping import stop_emails
from comms.store.engines import insert_for
from comms.store.models import Email, Suppression
from comms.store.staff import audit

LONGEST = 320
"""Characters of an address: 64 before the @, 255 after it (RFC 5321, 4.5.3.1)."""


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
    gone = session.scalar(delete(Suppression).where(Suppression.mailbox == _mailbox(address)).returning(Suppression.id))
    if gone is not None:
        audit(session, actor, "suppression.remove", "suppression", gone, now)
    return gone is not None


def list_suppressions(session: Session) -> list[SuppressionView]:
    """List all, newest first."""
    columns = (getattr(Suppression, name) for name in SuppressionView.__dataclass_fields__)
    query = select(*columns).order_by(Suppression.id.desc())
    return [SuppressionView(**row._mapping) for row in session.execute(query)]


def _mailbox(address: str) -> str:
    box = mailbox(address)
    local, at, domain = box.rpartition("@")
    if not (local and at and domain) or len(box) > LONGEST or any(character.isspace() for character in box):
        raise BadInput("this is not an email address; write it like praxis@example.org", where="address")
    return box
