"""Moves of emails by hand: what each may do, what follows from it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, ContactRefused, MoveNotAllowed, NotFound
from comms.rules.policy import ContactPolicy
from comms.rules.states import EMAIL_MOVES, EmailStatus, Move
from comms.services.emails import (
    Requests,
    bounce_email,
    cancel_email,
    list_emails,
    queue_email,
    requeue_email,
    resolve_email,
    show_email,
)
from comms.services.suppressions import suppress_mailbox
from comms.services.withdrawals import withdraw_requests
from comms.store import contacts
from comms.store.models import (
    AuditEntry,
    ContactEntry,
    DeliveryAttempt,
    Email,
    EmailBatch,
    OutboxEvent,
    PlacementRequest,
)
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item
from comms.store.transitions import move_email
from tests.factories import NOW, make_request, make_therapist
from tests.services.email_rows import (
    HANDED_OVER,
    audited,
    call_about,
    email_about,
    email_in,
    event_types,
    events,
    fresh,
    holders,
    keys_of,
    places,
    request_ids,
    staff_items,
    statuses,
)

POLICY = ContactPolicy()
ME = "cli:test"
DAY = timedelta(days=1)

BY_HAND: dict[str, Callable[[Session, int], Any]] = {
    "queue": lambda s, id_: queue_email(s, id_, NOW, ME, POLICY),
    "cancel": lambda s, id_: cancel_email(s, id_, NOW, ME),
    "requeue": lambda s, id_: requeue_email(s, id_, NOW, ME, POLICY),
    "bounce": lambda s, id_: bounce_email(s, id_, NOW, ME),
    "resolve_sent": lambda s, id_: resolve_email(s, id_, "sent", NOW, ME, POLICY),
    "resolve_bounced": lambda s, id_: resolve_email(s, id_, "bounced", NOW, ME, POLICY),
    "resolve_queued": lambda s, id_: resolve_email(s, id_, "queued", NOW, ME, POLICY),
    "resolve_canceled": lambda s, id_: resolve_email(s, id_, "canceled", NOW, ME, POLICY),
}
EVENT = {
    "cancel": "email_canceled",
    "resolve_canceled": "email_canceled",
    "bounce": "email_failed",
    "resolve_bounced": "email_failed",
    "resolve_sent": "email_sent",
}
"""The event table of the platform contract; queueing announces nothing."""

BY_SENDER = {
    "claim": {"owner": "me", "lease_until": NOW + DAY},
    "accept": {"sent_at": NOW},
    "defer": {"next_attempt_at": NOW},
    "lose": {"handed_over_at": NOW},
    "rescue": {"next_attempt_at": NOW},
    "refuse": {},
}


def everything(session: Session) -> list[Any]:
    """All that a move could change, to see that a refused one changed nothing."""
    tables = (Email, EmailBatch, PlacementRequest, ContactEntry, OutboxEvent, AuditEntry)
    return [session.execute(select(table.__table__).order_by(*table.__table__.primary_key)).all() for table in tables]


def test_every_move_of_the_table_is_made_by_hand_or_by_the_sender() -> None:
    assert {move.verb for move in EMAIL_MOVES} == BY_HAND.keys() | BY_SENDER.keys()


@pytest.mark.parametrize("move", [m for m in EMAIL_MOVES if m.verb in BY_HAND], ids=lambda move: move.verb)
def test_an_allowed_move_by_hand_is_made_with_its_event_and_an_audit_row(sessions: Sessions, move: Move) -> None:
    for status in sorted(move.sources):
        with writing(sessions) as session:
            email = email_in(session, status)
            seen = len(events(session))
            BY_HAND[move.verb](session, email.id)
            assert fresh(session, email).status == move.target
            assert event_types(session)[seen:] == ([EVENT[move.verb]] if move.verb in EVENT else [])
            assert audited(session)[-1] == (ME, f"email.{move.verb}", email.id)


@pytest.mark.parametrize("move", [m for m in EMAIL_MOVES if m.verb in BY_HAND], ids=lambda move: move.verb)
def test_a_move_by_hand_that_the_status_forbids_changes_nothing(sessions: Sessions, move: Move) -> None:
    for status in sorted(set(EmailStatus) - move.sources):
        with writing(sessions) as session:
            email = email_in(session, status)
            before = everything(session)
            with pytest.raises(MoveNotAllowed, match=f"is {status} and cannot"):
                BY_HAND[move.verb](session, email.id)
            assert everything(session) == before


@pytest.mark.parametrize("move", [m for m in EMAIL_MOVES if m.verb in BY_SENDER], ids=lambda move: move.verb)
def test_a_move_of_the_sender_is_possible_from_its_sources_alone(sessions: Sessions, move: Move) -> None:
    for status in sorted(EmailStatus):
        with writing(sessions) as session:
            email = email_in(session, status)
            before = everything(session)
            if status in move.sources:
                move_email(session, move.verb, email.id, NOW, **BY_SENDER[move.verb])
                assert fresh(session, email).status == move.target
            else:
                with pytest.raises(MoveNotAllowed):
                    move_email(session, move.verb, email.id, NOW, **BY_SENDER[move.verb])
                assert everything(session) == before


@pytest.mark.parametrize("verb", sorted(BY_HAND))
def test_an_email_that_does_not_exist_is_named(sessions: Sessions, verb: str) -> None:
    with writing(sessions) as session, pytest.raises(NotFound, match="no email 4711"):
        BY_HAND[verb](session, 4711)


# queueing a draft


def test_queueing_a_draft_holds_both_keys_and_puts_its_requests_in_progress(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "draft", patients=2)
        one, two = request_ids(session, email)
        session.get_one(PlacementRequest, one).status = "open"
        queue_email(session, email.id, NOW, ME, POLICY)
        assert holders(session, email) == {(f"email:{email.id}", NOW)}
        assert statuses(session, one, two) == ["in_progress", "in_progress"]
        assert places(session, email) == {one: (True, True), two: (True, True)}
        assert fresh(session, email).next_attempt_at == NOW


def test_a_therapist_contacted_recently_is_refused_with_the_date(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email_about(session, "sent", therapist, [])
        draft = email_about(session, "draft", therapist, [])
        with pytest.raises(ContactRefused) as refused:
            queue_email(session, draft.id, NOW, ME, POLICY)
        assert (refused.value.reason, refused.value.next_date) == ("contacted_recently", "2026-11-30")


def test_a_mailbox_written_to_recently_is_refused_for_another_therapist(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email_about(session, "sent", make_therapist(session, email="praxis@t.example"), [])
        draft = email_about(session, "draft", make_therapist(session, email="praxis@t.example"), [])
        with pytest.raises(ContactRefused) as refused:
            queue_email(session, draft.id, NOW, ME, POLICY)
        assert refused.value.reason == "mailbox_contacted_recently"


def test_a_contact_that_waits_has_no_date_on_which_it_ends(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email_about(session, "queued", therapist, [])
        draft = email_about(session, "draft", therapist, [])
        with pytest.raises(ContactRefused) as refused:
            queue_email(session, draft.id, NOW, ME, POLICY)
        assert refused.value.next_date is None


def test_an_override_breaks_the_window_and_is_recorded(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email_about(session, "sent", therapist, [])
        draft = email_about(session, "draft", therapist, [])
        queue_email(session, draft.id, NOW, ME, POLICY, override_reason="asked for it by phone")
        assert fresh(session, draft).override_reason == "asked for it by phone"
        entry = session.get_one(ContactEntry, (keys_of(draft)[0], f"email:{draft.id}"))
        assert entry.kind == "override"
        details = session.scalar(select(AuditEntry.details).where(AuditEntry.action == "email.queue"))
        assert details == {"override": "asked for it by phone"}


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_override_needs_a_reason(sessions: Sessions, reason: str) -> None:
    with writing(sessions) as session:
        draft = email_in(session, "draft")
        with pytest.raises(BadInput, match="needs a reason"):
            queue_email(session, draft.id, NOW, ME, POLICY, override_reason=reason)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "blocked"}, "blocked"),
        ({"status": "inactive"}, "inactive"),
        ({"do_not_contact": "asked us to stop"}, "do_not_contact"),
        ({"status": "blocked", "do_not_contact": "asked us to stop"}, "blocked"),
    ],
)
def test_who_must_never_be_contacted_is_refused_whatever_the_override(
    sessions: Sessions, facts: dict[str, str], reason: str
) -> None:
    with writing(sessions) as session:
        draft = email_in(session, "draft", therapist=make_therapist(session, **facts))
        with pytest.raises(ContactRefused) as refused:
            queue_email(session, draft.id, NOW, ME, POLICY, override_reason="please")
        assert refused.value.reason == reason


def test_a_suppressed_mailbox_is_refused(sessions: Sessions) -> None:
    with writing(sessions) as session:
        draft = email_in(session, "draft", therapist=make_therapist(session, email="Praxis@T.example"))
        suppress_mailbox(session, "praxis@t.example", NOW, ME)
        with pytest.raises(ContactRefused, match="suppressed_mailbox"):
            queue_email(session, draft.id, NOW, ME, POLICY)


def test_a_draft_without_bytes_gets_them_from_the_caller(sessions: Sessions) -> None:
    def build(session: Session, id_: int) -> None:
        session.get_one(Email, id_).raw = b"Subject: x\r\n\r\nx\r\n"
        session.flush()

    with writing(sessions) as session:
        draft = email_in(session, "draft", raw=None)
        queue_email(session, draft.id, NOW, ME, POLICY, ensure_bytes=build)
        assert fresh(session, draft).status == "queued"


def test_a_draft_that_nobody_can_render_stays_a_draft(sessions: Sessions) -> None:
    with writing(sessions) as session:
        draft = email_in(session, "draft", raw=None)
        with pytest.raises(Conflict, match="no letter yet"):
            queue_email(session, draft.id, NOW, ME, POLICY)


def test_a_draft_about_a_closed_request_is_not_sent(sessions: Sessions) -> None:
    with writing(sessions) as session:
        draft = email_in(session, "draft")
        (request,) = request_ids(session, draft)
        row = session.get_one(PlacementRequest, request)
        row.status, row.status_reason, row.closed_at = "rejected", "therapist_rejected", NOW
        session.flush()
        with pytest.raises(Conflict, match=f"{request} in email {draft.id} is closed"):
            queue_email(session, draft.id, NOW, ME, POLICY)


def test_a_draft_about_a_request_that_waits_in_another_email_is_not_sent(sessions: Sessions) -> None:
    with writing(sessions) as session:
        waiting = email_in(session, "queued")
        request = session.get_one(PlacementRequest, request_ids(session, waiting)[0])
        draft = email_about(session, "draft", make_therapist(session), [request])
        with pytest.raises(Conflict, match="already waits in another live email"):
            queue_email(session, draft.id, NOW, ME, POLICY)


def test_a_draft_about_a_request_that_is_to_be_called_about_is_not_sent(sessions: Sessions) -> None:
    with writing(sessions) as session:
        draft = email_in(session, "draft")
        (request,) = request_ids(session, draft)
        call_about(session, draft.therapist_id, request)
        with pytest.raises(Conflict, match="waits in a call"):
            queue_email(session, draft.id, NOW, ME, POLICY)


def test_a_reply_takes_no_contact_and_no_place(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        answered = email_about(session, "sent", therapist, [])
        accepted = make_request(session, therapist)
        reply = email_about(session, "draft", therapist, [accepted], replies_to_email_id=answered.id)
        accepted.status, accepted.status_reason, accepted.closed_at = "accepted", "therapist_accepted", NOW
        before = holders(session, reply)
        queue_email(session, reply.id, NOW, ME, POLICY)
        assert holders(session, reply) == before
        assert places(session, reply) == {accepted.id: (True, False)}
        assert statuses(session, accepted.id) == ["accepted"]


# canceling


@pytest.mark.parametrize("status", ["draft", "queued", "failed"])
def test_canceling_reopens_the_requests_and_releases_the_contact(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        email = email_in(session, status, patients=2)
        one, two = request_ids(session, email)
        cancel_email(session, email.id, NOW, ME)
        assert statuses(session, one, two) == ["open", "open"]
        assert holders(session, email) == {(None, None)}
        assert fresh(session, email).status_reason == "canceled_by_staff"
        assert events(session)[-1][1] == {
            "email_id": email.id,
            "therapist_id": email.therapist_id,
            "placement_request_ids": [one, two],
            "reason": "canceled_by_staff",
        }


def test_canceling_can_withdraw_the_requests(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "queued")
        (request,) = request_ids(session, email)
        cancel_email(session, email.id, NOW, ME, Requests.WITHDRAW)
        row = session.get_one(PlacementRequest, request, populate_existing=True)
        assert (row.status, row.status_reason, row.closed_at) == ("withdrawn", "canceled_by_staff", NOW)
        assert event_types(session) == ["email_canceled"]


def test_canceling_reopens_nothing_that_waits_elsewhere(sessions: Sessions) -> None:
    with writing(sessions) as session:
        sent = email_in(session, "sent")
        request = session.get_one(PlacementRequest, request_ids(session, sent)[0])
        draft = email_about(session, "draft", make_therapist(session), [request])
        cancel_email(session, draft.id, NOW, ME)
        assert statuses(session, request.id) == ["in_progress"]


def test_canceling_a_failed_email_takes_it_off_the_staff_list(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "failed")
        raise_item(session, "email", email.id, "email_failed", NOW)
        cancel_email(session, email.id, NOW, ME)
        assert staff_items(session) == set()


def test_canceling_what_was_once_in_doubt_keeps_the_contact_from_its_hand_over(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt")
        resolve_email(session, email.id, "queued", NOW, ME, POLICY)
        assert holders(session, email) == {(f"email:{email.id}", NOW)}
        cancel_email(session, email.id, NOW, ME)
        assert holders(session, email) == {(None, HANDED_OVER)}


# requeueing


def test_requeueing_starts_the_attempts_anew_and_claims_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        facts = {"retry_count": 7, "first_attempt_at": NOW - 3 * DAY, "handed_over_at": HANDED_OVER}
        email = email_in(session, "failed", **facts)
        session.execute(delete(DeliveryAttempt))
        raise_item(session, "email", email.id, "email_failed", NOW)
        requeue_email(session, email.id, NOW, ME, POLICY)
        again = fresh(session, email)
        assert (again.retry_count, again.first_attempt_at, again.handed_over_at) == (0, None, None)
        assert (again.next_attempt_at, again.error_kind) == (NOW, None)
        assert holders(session, email) == {(f"email:{email.id}", NOW)}
        assert staff_items(session) == set()
        assert [live for _, live in places(session, email).values()] == [True]


def test_requeueing_is_refused_while_the_therapist_was_contacted_otherwise(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        failed = email_about(session, "failed", therapist, [])
        email_about(session, "sent", therapist, [])
        with pytest.raises(ContactRefused, match="contacted_recently"):
            requeue_email(session, failed.id, NOW, ME, POLICY)


def test_requests_that_went_to_a_call_are_not_written_about_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "failed")
        (request,) = request_ids(session, email)
        call_about(session, email.therapist_id, request)
        with pytest.raises(Conflict, match="waits in a call"):
            requeue_email(session, email.id, NOW, ME, POLICY)


# in doubt


def test_in_doubt_and_sent_counts_from_the_hand_over(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt")
        raise_item(session, "email", email.id, "email_in_doubt", NOW)
        resolve_email(session, email.id, "sent", NOW, ME, POLICY)
        assert fresh(session, email).sent_at == HANDED_OVER
        assert holders(session, email) == {(None, HANDED_OVER)}
        assert events(session)[-1][1]["sent_at"] == HANDED_OVER.isoformat()
        assert staff_items(session) == set()


def test_in_doubt_and_canceled_releases_nothing(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt")
        (request,) = request_ids(session, email)
        resolve_email(session, email.id, "canceled", NOW, ME, POLICY)
        assert holders(session, email) == {(None, HANDED_OVER)}
        assert statuses(session, request) == ["open"]


def test_in_doubt_and_canceled_can_withdraw_the_requests(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt")
        (request,) = request_ids(session, email)
        resolve_email(session, email.id, "canceled", NOW, ME, POLICY, requests=Requests.WITHDRAW)
        assert statuses(session, request) == ["withdrawn"]


def test_in_doubt_and_queued_keeps_bytes_message_id_and_the_memory_of_the_hand_over(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt")
        before = (email.raw, email.message_id)
        resolve_email(session, email.id, "queued", NOW, ME, POLICY)
        again = fresh(session, email)
        session.refresh(again, ["raw"])
        assert (again.raw, again.message_id) == before
        assert again.handed_over_at == HANDED_OVER


def test_in_doubt_with_somebody_withdrawn_is_not_queued_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt", patients=2)
        withdraw_requests(session, request_ids(session, email)[:1], NOW, "withdrawn_by_platform")
        with pytest.raises(Conflict, match="write a new email"):
            resolve_email(session, email.id, "queued", NOW, ME, POLICY)


def test_in_doubt_resolves_to_four_things_only(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt")
        with pytest.raises(BadInput, match="sent, bounced, queued, canceled"):
            resolve_email(session, email.id, "failed", NOW, ME, POLICY)


# bounces


def test_a_bounce_refuses_the_address_frees_the_contact_and_opens_the_requests(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = email_in(session, "sent", therapist=therapist)
        (request,) = request_ids(session, email)
        bounce_email(session, email.id, NOW, ME)
        assert fresh(session, therapist).email_refused_at == NOW
        assert holders(session, email) == {(None, None)}
        assert statuses(session, request) == ["open"]
        assert events(session)[-1] == (
            "email_failed",
            {
                "email_id": email.id,
                "therapist_id": therapist.id,
                "placement_request_ids": [request],
                "reason": "bounced",
            },
        )


def test_a_bounce_says_nothing_about_an_address_that_was_replaced(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = email_in(session, "sent", therapist=therapist)
        therapist.email = therapist.mailbox = "neu@t.example"
        session.flush()
        bounce_email(session, email.id, NOW, ME)
        assert fresh(session, therapist).email_refused_at is None


def test_the_contact_before_a_bounced_override_counts_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email_about(session, "sent", therapist, [])
        second = email_about(session, "draft", therapist, [])
        queue_email(session, second.id, NOW, ME, POLICY, override_reason="urgent")
        move_email(session, "claim", second.id, NOW, owner="me", lease_until=NOW + DAY)
        move_email(session, "accept", second.id, NOW, sent_at=NOW, handed_over_at=NOW)
        contacts.happened(session, {f"email:{second.id}": NOW})
        bounce_email(session, second.id, NOW, ME)
        assert holders(session, second) == {(None, HANDED_OVER)}


# reading


def test_emails_are_listed_newest_first_and_filtered(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        old = email_about(session, "sent", therapist, [], batch_id="run-1")
        new = email_about(session, "draft", therapist, [], batch_id="run-2")
        other = email_in(session, "queued")
    with reading(sessions) as session:
        assert [e.id for e in list_emails(session)] == [other.id, new.id, old.id]
        assert [e.id for e in list_emails(session, limit=1)] == [other.id]
        assert [e.id for e in list_emails(session, status="sent")] == [old.id]
        assert [e.id for e in list_emails(session, therapist_id=therapist.id)] == [new.id, old.id]
        assert [e.id for e in list_emails(session, batch_id="run-2")] == [new.id]
        assert [e.id for e in list_emails(session, response_received=True)] == []


def test_a_status_that_does_not_exist_is_not_all_emails(sessions: Sessions) -> None:
    with reading(sessions) as session, pytest.raises(BadInput, match="a status is one of: draft"):
        list_emails(session, status="posted")


def test_one_email_shows_its_requests_attempts_and_number_of_events(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        one, two = request_ids(session, email)
        bounce_email(session, email.id, NOW, ME)
        shown = show_email(session, email.id)
        assert shown.placement_request_ids == (one, two)
        assert [batch.number for batch in shown.batches] == [1, 2]
        assert [attempt.outcome for attempt in shown.attempts] == ["accept"]
        assert shown.events == session.scalar(select(func.count(OutboxEvent.id))) == 1


def test_showing_an_email_that_does_not_exist_names_it(sessions: Sessions) -> None:
    with reading(sessions) as session, pytest.raises(NotFound, match="no email 4711"):
        show_email(session, 4711)
