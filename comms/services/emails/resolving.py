"""What became of an email after it was handed over: it arrived, it bounced, or a person decides what is unknown."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict
from comms.rules.policy import ContactPolicy
from comms.rules.states import EmailStatus, target_of_resolution
from comms.services.emails.canceling import Requests, finish_cancellation
from comms.services.emails.contact import check_override, take_contact
from comms.services.emails.queueing import fresh_start, lock_for, require_open_requests
from comms.services.events import announce_emails
from comms.services.places import requests_in
from comms.services.reopening import reopen_waiting
from comms.services.withdrawals import CANCELED_BY_STAFF
from comms.store.contacts import email_holder, happened, release
from comms.store.models import Email, EmailBatch, Therapist
from comms.store.staff import audit, resolve_items
from comms.store.transitions import move_email

BOUNCED = "bounced"


def resolve_email(
    session: Session,
    email_id: int,
    to: str,
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    *,
    requests: Requests = Requests.REOPEN,
    override_reason: str | None = None,
) -> None:
    """Say what became of an email in doubt: sent, bounced, queued (hand it over once more) or canceled.

    `queued` sends the same bytes again, so it raises Conflict when somebody in it was withdrawn or answered since.
    `requests` counts for canceled alone, which keeps the contact: the email may have arrived.
    """
    try:
        verb = target_of_resolution(to)
    except ValueError as error:
        raise BadInput(str(error), where="status") from None
    check_override(override_reason)
    lock_for(session, email_id, verb)
    if to == EmailStatus.SENT:
        it_arrived(session, email_id, now)
    elif to == EmailStatus.BOUNCED:
        _it_bounced(session, verb, email_id, now)
    elif to == EmailStatus.QUEUED:
        _once_more(session, email_id, now, policy, override_reason)
    else:
        _forget(session, email_id, now, actor, requests)
    resolve_items(session, "email", [email_id], now, actor)
    audit(session, actor, f"email.{verb}", "email", email_id, now, override=override_reason)


def it_arrived(session: Session, email_id: int, now: datetime) -> None:
    """Move an email in doubt to sent, as of its hand-over."""
    at = _handed_over_at(session, email_id)
    move_email(session, "resolve_sent", email_id, now, sent_at=at)
    happened(session, {email_holder(email_id): at})
    resolve_items(session, "email", [email_id], now, "service", ["email_in_doubt"])
    announce_emails(session, "email_sent", [email_id], now, {email_id: {"sent_at": at.isoformat()}})


def _handed_over_at(session: Session, email_id: int) -> datetime:
    at = session.execute(select(Email.handed_over_at).where(Email.id == email_id)).scalar_one()
    assert at is not None  # what is in doubt was handed over: a CHECK of the table
    return at


def bounce_email(session: Session, email_id: int, now: datetime, actor: str) -> None:
    """Say that an email which the relay took came back: the address is refused, the requests go to a call."""
    lock_for(session, email_id, "bounce")
    _it_bounced(session, "bounce", email_id, now)
    audit(session, actor, "email.bounce", "email", email_id, now)


def _it_bounced(session: Session, verb: str, email_id: int, now: datetime) -> None:
    move_email(session, verb, email_id, now, status_reason=BOUNCED)
    release(session, [email_holder(email_id)])
    refuse_address(session, email_id, now)
    announce_emails(session, "email_failed", [email_id], now, {email_id: {"reason": BOUNCED}})
    reopen_waiting(session, requests_in(session, [email_id]), now)


def refuse_address(session: Session, email_id: int, now: datetime) -> None:
    """Remember that the address does not work, unless the therapist has another one by now."""
    mailbox = select(Email.mailbox).where(Email.id == email_id).scalar_subquery()
    therapist_id = select(Email.therapist_id).where(Email.id == email_id).scalar_subquery()
    session.execute(
        update(Therapist)
        .where(Therapist.id == therapist_id, Therapist.mailbox == mailbox)
        .values(
            email_refused_at=func.coalesce(Therapist.email_refused_at, now),
            updated_at=now,
            version=Therapist.version + 1,
        )
        .execution_options(synchronize_session=False)
    )


def _once_more(
    session: Session, email_id: int, now: datetime, policy: ContactPolicy, override_reason: str | None
) -> None:
    require_open_requests(session, email_id)
    _require_unchanged(session, email_id)
    take_contact(session, email_id, now, policy, override_reason)
    move_email(session, "resolve_queued", email_id, now, **fresh_start(now, override_reason))


def _require_unchanged(session: Session, email_id: int) -> None:
    """What may have arrived once goes out with the same bytes or not at all."""
    ended = exists().where(
        EmailBatch.email_id == Email.id, EmailBatch.included, ~EmailBatch.live, Email.replies_to_email_id.is_(None)
    )
    query = select(Email.response_received, Email.stale, ended).where(Email.id == email_id)
    answered, stale, somebody_left = session.execute(query).one()
    if answered:
        raise Conflict(f"email {email_id} was answered: it arrived")
    if stale or somebody_left:
        raise Conflict(f"somebody in email {email_id} was withdrawn since: resolve it otherwise and write a new email")


def _forget(session: Session, email_id: int, now: datetime, actor: str, requests: Requests) -> None:
    """It may have arrived: the contact stays where it was, from the hand-over on."""
    at = _handed_over_at(session, email_id)
    move_email(session, "resolve_canceled", email_id, now, status_reason=CANCELED_BY_STAFF)
    happened(session, {email_holder(email_id): at})
    finish_cancellation(session, email_id, now, actor, requests)
