"""Where placement requests wait in emails: taking them out, and canceling emails that have nothing left to say.

Whoever changes several of these rows locks them in this order: patients, emails (each by id), contact keys, requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from comms.rules.states import EmailStatus
from comms.services.events import announce_emails
from comms.services.reopening import REQUEST_WITHDRAWN, reopen_waiting
from comms.store.contacts import email_holder, happened, release
from comms.store.models import DeliveryAttempt, Email, EmailBatch, Patient, PlacementRequest
from comms.store.staff import resolve_items
from comms.store.transitions import move_emails

MARKED_EARLIER = exists().where(
    DeliveryAttempt.email_id == Email.id,
    DeliveryAttempt.attempt == Email.attempt,
    DeliveryAttempt.handed_over_at.is_(None),
)
"""Not handed over in this attempt; a mark in `emails` is of an earlier one that stayed in doubt."""

NOT_HANDED_OVER = or_(
    Email.status.in_([EmailStatus.DRAFT, EmailStatus.QUEUED, EmailStatus.FAILED]),
    and_(Email.status == EmailStatus.SENDING, or_(Email.handed_over_at.is_(None), MARKED_EARLIER)),
)
"""Emails whose words can still change: they have not reached the relay, or it refused them."""

_MAY_HAVE_ARRIVED = exists().where(DeliveryAttempt.email_id == Email.id, DeliveryAttempt.outcome == "lose")
"""Once in doubt: if it goes out again, then with the same bytes."""

_NOBODY_LEFT = ~exists().where(EmailBatch.email_id == Email.id, EmailBatch.included)


def earlier_doubt() -> ScalarSelect[datetime | None]:
    """When the email was last handed over without an answer, None if it never was: a value for `handed_over_at`."""
    lost = (DeliveryAttempt.email_id == Email.id, DeliveryAttempt.outcome == "lose")
    return select(func.max(DeliveryAttempt.handed_over_at)).where(*lost).correlate(Email).scalar_subquery()


@dataclass(frozen=True)
class TakenOut:
    """Ids of emails; a canceled one stands among the stale ones too."""

    stale: frozenset[int]
    canceled: frozenset[int]


def take_out_of_emails(session: Session, request_ids: Collection[int], now: datetime) -> TakenOut:
    """End every place of these requests: waiting emails lose them, what was handed over keeps them as history.

    An email that waits becomes stale and gets a new version, so that a sender who holds it cannot hand it over.
    """
    stale = _leave(session, request_ids, now)
    _keep_as_history(session, request_ids, now)
    return TakenOut(frozenset(stale), frozenset(cancel_hopeless(session, stale, now)))


def take_out_of_replies(session: Session, request_ids: Collection[int], now: datetime) -> None:
    """Let waiting confirmations of what holds no longer lose these requests; their other places stay."""
    stale = _leave(session, request_ids, now, Email.replies_to_email_id.is_not(None))
    cancel_hopeless(session, stale, now)


def _leave(
    session: Session, request_ids: Collection[int], now: datetime, *conditions: ColumnElement[bool]
) -> list[int]:
    holding = select(EmailBatch.email_id).where(EmailBatch.placement_request_id.in_(sorted(request_ids)))
    stale = lock_emails(session, Email.id.in_(holding.where(EmailBatch.included)), NOT_HANDED_OVER, *conditions)
    if stale:
        _exclude(session, stale, request_ids)
        _make_stale(session, stale, now)
    return stale


def lock_with_patients(session: Session, email_id: int) -> None:
    """Let nobody answer, move or write about this email until the transaction ends."""
    asked = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email_id, EmailBatch.included)
    lock_patients(session, list(session.scalars(asked)))
    lock_emails(session, Email.id == email_id)


def lock_patients(session: Session, request_ids: Collection[int]) -> None:
    """Let answers and withdrawals that concern the same patients follow each other; ends with the transaction."""
    concerned = select(PlacementRequest.patient_id).where(PlacementRequest.id.in_(sorted(request_ids)))
    query = select(Patient.id).where(Patient.id.in_(concerned)).order_by(Patient.id)
    session.execute(query.with_for_update(key_share=True)).all()


def lock_emails(session: Session, *conditions: ColumnElement[bool]) -> list[int]:
    """Lock the rows until the transaction ends, in the order of their ids; SQLite has one writer anyway.

    Asked twice: while waiting for a lock PostgreSQL looks again at the row itself, but not at other tables.
    """
    query = select(Email.id).order_by(Email.id)
    locked = session.scalars(query.where(*conditions).with_for_update(key_share=True)).all()
    return list(session.scalars(query.where(Email.id.in_(locked), *conditions))) if locked else []


def _exclude(session: Session, email_ids: Collection[int], request_ids: Collection[int]) -> None:
    session.execute(
        update(EmailBatch)
        .where(
            EmailBatch.email_id.in_(email_ids),
            EmailBatch.placement_request_id.in_(sorted(request_ids)),
            EmailBatch.included,
        )
        .values(included=False, live=False, version=EmailBatch.version + 1)
        .execution_options(synchronize_session=False)
    )


def _make_stale(session: Session, email_ids: Collection[int], now: datetime) -> None:
    session.execute(
        update(Email)
        .where(Email.id.in_(email_ids))
        .values(stale=True, version=Email.version + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )


def _keep_as_history(session: Session, request_ids: Collection[int], now: datetime) -> None:
    """End the places in emails that were handed over. The relay may still refuse such an email: then it is stale."""
    ended = session.scalars(
        update(EmailBatch)
        .where(EmailBatch.placement_request_id.in_(sorted(request_ids)), EmailBatch.live)
        .values(live=False, version=EmailBatch.version + 1)
        .returning(EmailBatch.email_id)
        .execution_options(synchronize_session=False)
    )
    emails = set(ended)
    if not emails:
        return
    in_flight = update(Email).where(Email.id.in_(emails), Email.status.in_([EmailStatus.SENDING, EmailStatus.QUEUED]))
    session.execute(in_flight.values(stale=True).execution_options(synchronize_session=False))
    close_if_nobody_is_awaited(session, emails, now)


def close_if_nobody_is_awaited(session: Session, email_ids: Collection[int], now: datetime) -> None:
    """An unanswered email without a place must not block the therapist: there is nothing to wait or to call for."""
    awaited = exists().where(EmailBatch.email_id == Email.id, EmailBatch.live)
    over = update(Email).where(Email.id.in_(email_ids), ~awaited, ~Email.response_received, Email.closed_at.is_(None))
    closed = over.values(closed_at=now, status_reason=REQUEST_WITHDRAWN, updated_at=now)
    session.execute(closed.execution_options(synchronize_session=False))


def drop_ended_places(session: Session, now: datetime) -> list[int]:
    """Bring stale queued emails up to date before they are rendered; return those that had to be canceled.

    A place that ended while the email was being handed over is dropped once the relay has refused the email.
    """
    waits = Email.status == EmailStatus.QUEUED
    stale = lock_emails(session, waits, Email.stale.is_(True), Email.replies_to_email_id.is_(None))
    session.execute(
        update(EmailBatch)
        .where(
            EmailBatch.email_id.in_(stale),
            EmailBatch.included,
            ~EmailBatch.live,
            EmailBatch.response_outcome.is_(None),
        )
        .values(included=False, version=EmailBatch.version + 1)
        .execution_options(synchronize_session=False)
    )
    return cancel_hopeless(session, stale, now)


def cancel_hopeless(session: Session, email_ids: Collection[int], now: datetime) -> list[int]:
    """Cancel those of these stale emails that cannot be rendered again; the requests left in them are opened again.

    That is so when nobody is left, when a person wrote the body, and when an earlier attempt may have arrived.
    """
    if not email_ids:
        return []
    hopeless = select(Email.id).where(
        Email.id.in_(email_ids), Email.stale, or_(Email.template.is_(None), _NOBODY_LEFT, _MAY_HAVE_ARRIVED)
    )
    return cancel_emails(session, list(session.scalars(hopeless)), now, REQUEST_WITHDRAWN)


def cancel_emails(session: Session, email_ids: Collection[int], now: datetime, reason: str) -> list[int]:
    """Cancel those that may be canceled, release their contacts, announce it, and open what was left in them again."""
    canceled = sorted(move_emails(session, "cancel", email_ids, now, status_reason=reason))
    if not canceled:
        return []
    let_contacts_go(session, canceled)
    requests = _all_requests(session, canceled)
    announce_emails(
        session,
        "email_canceled",
        canceled,
        now,
        {id_: {"reason": reason, "placement_request_ids": requests[id_]} for id_ in canceled},
    )
    resolve_items(session, "email", canceled, now, "service")
    reopen_waiting(session, requests_in(session, canceled), now)
    return canceled


def requests_in(session: Session, email_ids: Collection[int]) -> list[int]:
    """Ids of the requests that these emails still speak of and that nobody answered."""
    query = select(EmailBatch.placement_request_id).where(
        EmailBatch.email_id.in_(email_ids), EmailBatch.included, EmailBatch.response_outcome.is_(None)
    )
    return sorted(set(session.scalars(query)))


def _all_requests(session: Session, email_ids: Collection[int]) -> dict[int, list[int]]:
    """For the event of a cancellation: also those that were taken out, for they are why."""
    found: dict[int, list[int]] = defaultdict(list)
    query = select(EmailBatch.email_id, EmailBatch.placement_request_id).where(EmailBatch.email_id.in_(email_ids))
    for email_id, request_id in session.execute(query.order_by(EmailBatch.priority, EmailBatch.id)):
        found[email_id].append(request_id)
    return found


def let_contacts_go(session: Session, email_ids: Collection[int]) -> None:
    """Forget contacts that did not happen; one that may have happened (once in doubt) stays, from its hand-over on."""
    query = select(DeliveryAttempt.email_id, func.max(DeliveryAttempt.handed_over_at)).where(
        DeliveryAttempt.email_id.in_(email_ids), DeliveryAttempt.outcome == "lose"
    )
    doubtful = {id_: at for id_, at in session.execute(query.group_by(DeliveryAttempt.email_id)) if at}
    happened(session, {email_holder(id_): at for id_, at in doubtful.items()})
    release(session, [email_holder(id_) for id_ in email_ids if id_ not in doubtful])
