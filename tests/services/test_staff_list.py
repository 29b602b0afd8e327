"""Whatever needs a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from comms.errors import NotFound
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.emails import Requests
from comms.services.staff_list import StaffItemView, close_item, list_staff_items
from comms.store.models import Email, PhoneCall, PhoneCallEmail
from comms.store.session import Sessions, writing
from comms.store.staff import REASONS, raise_item, raise_items, resolve_items
from comms.store.transitions import move_call
from tests.factories import NOW, make_therapist
from tests.services.email_rows import audited, call_about, email_in, fresh, request_ids, statuses

DAY = timedelta(days=1)
ME = "cli:test"


def test_each_thing_has_its_reason_since_when_whom_and_the_verb_that_ends_it(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        raise_item(session, "email", 7, "email_in_doubt", NOW, therapist_id=therapist.id, details={"attempt": 2})
        (item,) = list_staff_items(session, NOW)
        assert item == StaffItemView(
            item.id, "email_in_doubt", "resolve", NOW, "email", 7, therapist.id, {"attempt": 2}
        )


def test_the_oldest_stands_first(sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "email", 1, "email_failed", NOW)
        raise_item(session, "email", 2, "email_failed", NOW - DAY)
        assert [item.subject_id for item in list_staff_items(session, NOW)] == [2, 1]


def test_what_is_shown_later_is_not_there_yet(sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "therapist", 1, "no_slot", NOW, shown_from=NOW + 3 * DAY)
        assert list_staff_items(session, NOW + 3 * DAY - timedelta(seconds=1)) == []
        assert len(list_staff_items(session, NOW + 3 * DAY)) == 1


def test_a_thing_stands_there_once_however_often_it_is_raised(sessions: Sessions) -> None:
    with writing(sessions) as session:
        for later in range(3):
            raise_items(session, "email", {1: None, 2: None}, "email_failed", NOW + later * DAY)
        assert [(i.subject_id, i.since) for i in list_staff_items(session, NOW + 3 * DAY)] == [(1, NOW), (2, NOW)]


def test_what_was_closed_can_come_back(sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "email", 1, "email_failed", NOW)
        resolve_items(session, "email", [1], NOW, ME)
        raise_item(session, "email", 1, "email_failed", NOW + DAY)
        assert [item.since for item in list_staff_items(session, NOW + DAY)] == [NOW + DAY]


def test_closing_takes_this_one_off_and_records_who_did_it(sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "email", 1, "email_failed", NOW)
        raise_item(session, "email", 1, "letter_not_rendered", NOW)
        first, second = list_staff_items(session, NOW)
        assert close_item(session, first.id, ME, NOW)
        assert list_staff_items(session, NOW) == [second]
        assert audited(session) == [(ME, "staff_list.close", 1)]


def test_closing_twice_is_recorded_once(sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "email", 1, "email_failed", NOW)
        (item,) = list_staff_items(session, NOW)
        assert [close_item(session, item.id, ME, NOW) for _ in range(2)] == [True, False]
        assert len(audited(session)) == 1


def test_an_old_item_that_came_back_is_not_closed_by_its_old_number(sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "email", 1, "email_failed", NOW)
        (old,) = list_staff_items(session, NOW)
        close_item(session, old.id, ME, NOW)
        raise_item(session, "email", 1, "email_failed", NOW)
        assert not close_item(session, old.id, ME, NOW)
        assert len(list_staff_items(session, NOW)) == 1


def test_closing_what_does_not_exist_says_so(sessions: Sessions) -> None:
    with writing(sessions) as session, pytest.raises(NotFound, match="no item on the staff list 4711"):
        close_item(session, 4711, ME, NOW)


def _given_up_call(session: Session, email: Email) -> PhoneCall:
    """The last try: missed, with its item on the list."""
    call = call_about(session, email.therapist_id, request_ids(session, email)[0], email.id)
    session.add(PhoneCallEmail(phone_call_id=call.id, email_id=email.id))
    email.followed_up_at = NOW
    session.flush()
    move_call(session, "miss", call.id, NOW)
    raise_item(session, "phone_call", call.id, "tries_used_up", NOW, therapist_id=email.therapist_id)
    return call


@pytest.mark.parametrize(("requests", "status"), [(Requests.REOPEN, "open"), (Requests.WITHDRAW, "withdrawn")])
def test_closing_after_the_last_try_closes_the_emails_and_settles_their_requests(
    sessions: Sessions, requests: Requests, status: str
) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        _given_up_call(session, email)
        (item,) = list_staff_items(session, NOW)
        close_item(session, item.id, ME, NOW, requests)
        assert fresh(session, email).closed_at == NOW
        assert statuses(session, *request_ids(session, email)) == [status, status]


def test_closing_after_the_last_try_leaves_what_was_answered_meanwhile(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        one, two = request_ids(session, email)
        _given_up_call(session, email)
        (item,) = list_staff_items(session, NOW)
        record_answer(session, email.id, {one: Outcome.REJECTED, two: Outcome.NEEDS_FOLLOW_UP}, NOW, ME)
        close_item(session, item.id, ME, NOW)
        assert statuses(session, one, two) == ["rejected", "in_progress"]


def test_an_answer_after_the_last_try_ends_it_unless_another_email_is_unanswered(sessions: Sessions) -> None:
    with writing(sessions) as session:
        alone, shared, other = (email_in(session, "sent") for _ in range(3))
        _given_up_call(session, alone)
        call = _given_up_call(session, shared)
        session.add(PhoneCallEmail(phone_call_id=call.id, email_id=other.id))
        session.flush()
        for email in (alone, shared):
            record_answer(session, email.id, dict.fromkeys(request_ids(session, email), Outcome.REJECTED), NOW, ME)
        assert [item.subject_id for item in list_staff_items(session, NOW)] == [call.id]


def test_closing_a_search_for_a_slot_closes_the_emails_that_it_was_for(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        raise_item(session, "therapist", email.therapist_id, "no_slot", NOW)
        (item,) = list_staff_items(session, NOW)
        close_item(session, item.id, ME, NOW)
        assert fresh(session, email).closed_at == NOW
        assert statuses(session, *request_ids(session, email)) == ["open"]


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_has_a_verb(sessions: Sessions, reason: str) -> None:
    with writing(sessions) as session:
        raise_item(session, "email", 1, reason, NOW)
        assert list_staff_items(session, NOW)[0].verb == REASONS[reason]
