"""A person writes an email: kept as a draft, or queued at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from comms.causes import work_id
from comms.errors import BadInput, Conflict
from comms.rules.addresses import mailbox
from comms.rules.policy import ContactPolicy, Identity
from comms.rules.states import OPEN_REQUEST, EmailStatus
from comms.services.correspondence import Correspondence
from comms.services.emails.queueing import EnsureBytes, queue_email
from comms.services.emails.reading import EmailDetails, details_of_new, show_email
from comms.services.emails.requests import accept_requests
from comms.services.events import announce_mentioned
from comms.services.intake.stubs import keep_therapist_stub
from comms.services.letters.addresses import new_message_id, new_reply_token, require_plain, wire_address
from comms.services.letters.hypertext import read_html, text_of
from comms.services.stories import Mentioned, mention_emails
from comms.store.appending import at_once
from comms.store.models import Email, PlacementRequest, Therapist, table_of
from comms.store.places import place_requests
from comms.store.staff import audit

LONGEST_MAILBOX = 320

_EMAIL, _THERAPIST = table_of(Email), table_of(Therapist)
_GIVEN = [
    _EMAIL.c[name]
    for name in (
        "therapist_id", "batch_id", "correlation_id", "status", "created_at", "updated_at", "subject", "body_html",
        "body_text", "recipient_email", "recipient_name", "mailbox", "sender_email", "sender_name", "message_id",
        "reply_token", "dated",
    )
]  # fmt: skip
_NEW_EMAIL = (
    insert(_EMAIL)
    .from_select(
        [*_GIVEN, _EMAIL.c.language],
        select(*(bindparam(column.name, type_=column.type) for column in _GIVEN), _THERAPIST.c.language).where(
            _THERAPIST.c.id == bindparam("therapist_id")
        ),
        include_defaults=False,
    )
    .returning(_EMAIL.c.id, _EMAIL.c.language)
)
"""In the therapist's language; of one whom nobody knows it makes none."""


@dataclass(frozen=True)
class Written:
    """An email as a person wrote it; `complete` fills in what may be left out."""

    therapist_id: int
    subject: str
    body_html: str
    recipient_email: str
    recipient_name: str
    body_text: str = ""
    sender_email: str = ""
    sender_name: str = ""
    batch_id: str | None = None
    placement_request_ids: tuple[int, ...] = ()
    """In the order in which the email speaks of them."""


def complete(written: Written, identity: Identity) -> Written:
    """Check what was written, tell its text where only HTML was given, and name the sender; BadInput otherwise.

    Needs no database, and may take a moment for HTML that was meant ill: call it outside any transaction.
    """
    for field in ("subject", "recipient_name"):
        require_plain(getattr(written, field), field)
    wire_address(written.recipient_email, "recipient_email")
    if len(mailbox(written.recipient_email)) > LONGEST_MAILBOX:
        raise BadInput("is longer than an email address may be", where="recipient_email")
    return replace(
        written,
        body_text=_text(written),
        sender_email=_ours(written.sender_email, identity.sender, "sender_email"),
        sender_name=_ours(written.sender_name, identity.sender_name, "sender_name"),
    )


def _text(written: Written) -> str:
    if not written.body_text:
        return text_of(written.body_html)
    read_html(written.body_html)
    return written.body_text


def _ours(given: str, configured: str, field: str) -> str:
    if given not in ("", configured):
        raise BadInput(f"only a configured identity may send; allowed: {configured}", where=field)
    return configured


def create_draft(session: Session, written: Written, now: datetime, actor: str) -> EmailDetails:
    """Keep an email that is `complete` as a draft, which claims nothing; return it.

    Conflict for requests that are closed or another therapist's; they may wait elsewhere until the draft is queued.
    """
    with at_once(session):
        email = _insert(session, written, now, actor)
        _announce(session, email, written, EmailStatus.DRAFT, now)
    return show_email(session, email.id) if written.placement_request_ids else email


def create_queued(
    session: Session,
    written: Written,
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    correspondence: Correspondence,
    override_reason: str | None = None,
) -> EmailDetails:
    """Write an email that is `complete` and queue it, all or nothing; refused for the same reasons as `queue_email`."""
    email = _insert(session, written, now, actor)
    signing = bytes_from(correspondence, now)
    queue_email(session, email.id, now, actor, policy, override_reason=override_reason, ensure_bytes=signing)
    _require_still_open(session, written.placement_request_ids)
    _announce(session, email, written, EmailStatus.QUEUED, now)
    return show_email(session, email.id)


def bytes_from(correspondence: Correspondence, now: datetime) -> EnsureBytes:
    """Make what gives a draft that a person wrote its final bytes; letters from templates have theirs."""
    columns = (
        Email.language, Email.subject, Email.body_html, Email.body_text, Email.recipient_email, Email.recipient_name,
        Email.sender_email, Email.sender_name, Email.message_id, Email.reply_token, Email.dated,
    )  # fmt: skip

    def ensure(session: Session, email_id: int) -> None:
        ours = Email.id == email_id, Email.template.is_(None), Email.raw.is_(None)
        email: Any = session.execute(select(*columns).where(*ours)).one_or_none()
        if email is not None:
            finished = update(Email).where(*ours).values(correspondence.sign_personal(email, now))
            session.execute(finished.execution_options(synchronize_session=False))

    return ensure


def _insert(session: Session, written: Written, now: datetime, actor: str) -> EmailDetails:
    email = _write(session, written, now)
    stubs = accept_requests(session, written.placement_request_ids, written.therapist_id, now)
    _place(session, email.id, written, now)
    audit(
        session, actor, "email.create", "email", email.id, now,
        requests=list(written.placement_request_ids), stubs=sorted(stubs),
    )  # fmt: skip
    return email


def _write(session: Session, written: Written, now: datetime) -> EmailDetails:
    row = vars(written) | {
        "mailbox": mailbox(written.recipient_email),
        "status": EmailStatus.DRAFT,
        "correlation_id": work_id(),
        "message_id": new_message_id(written.sender_email),
        "reply_token": new_reply_token(),
        "dated": now,
        "created_at": now,
        "updated_at": now,
    }
    del row["placement_request_ids"]
    made = session.execute(_NEW_EMAIL, row).one_or_none()
    if made is None:  # a therapist of whom nobody told us
        keep_therapist_stub(session, written.therapist_id, now)
        made = session.execute(_NEW_EMAIL, row).one()
    return details_of_new({**row, **made._mapping}, events=1)


def _place(session: Session, email_id: int, written: Written, now: datetime) -> None:
    shared = {"email_id": email_id, "therapist_id": written.therapist_id, "created_at": now}
    rows = [
        shared | {"placement_request_id": id_, "priority": position, "number": position}
        for position, id_ in enumerate(written.placement_request_ids, start=1)
    ]
    place_requests(session, rows)


def _require_still_open(session: Session, request_ids: Collection[int]) -> None:
    """Lock the requests, after the contact keys as everybody does: a withdrawal cannot see this email yet."""
    if not request_ids:
        return
    still = select(PlacementRequest.id).where(
        PlacementRequest.id.in_(sorted(request_ids)), PlacementRequest.status.in_(OPEN_REQUEST)
    )
    found = session.scalars(still.order_by(PlacementRequest.id).with_for_update(key_share=True)).all()
    if len(found) < len(request_ids):
        raise Conflict("a placement request in this email was closed just now")


def _announce(session: Session, email: EmailDetails, written: Written, status: EmailStatus, now: datetime) -> None:
    known = [Mentioned(email.id, email.therapist_id, work_id())]
    told = mention_emails(session, [email.id]) if written.placement_request_ids else known
    announce_mentioned(session, "email_created", told, now, {email.id: {"template": None, "status": status}})
