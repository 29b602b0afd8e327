"""An answer recorded by mistake is taken back, as long as nothing was concluded from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import Conflict, NotFound
from comms.rules.policy import CallPolicy
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.calls import schedule_follow_up_calls
from comms.services.calls.missing import miss_call
from comms.services.retracting import retract_answer
from comms.services.withdrawals import withdraw_requests
from comms.store.models import Email, PhoneCall, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW
from tests.services.email_rows import audited, email_in, event_types, fresh, places, request_ids, staff_items, statuses

ME = "key:test"
LATER = NOW + timedelta(days=7)


def answered(session: Session, patients: int = 1, **facts: Any) -> Email:
    email = email_in(session, "sent", patients=patients, **facts)
    record_answer(session, email.id, {}, NOW, ME, content="falscher Brief")
    return email


def test_the_email_waits_as_before(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = answered(session)
        (one,) = request_ids(session, email)
        retract_answer(session, email.id, NOW, ME)
        row = fresh(session, email)
        assert (row.response_received, row.response_date, row.response_content) == (False, None, None)
        assert (places(session, email), statuses(session, one)) == ({one: (True, True)}, ["in_progress"])
        assert staff_items(session) == set()
        assert (audited(session)[-1], event_types(session)) == (
            (ME, "email.retract_answer", email.id),
            ["response_recorded"],
        )


def test_what_was_never_answered_stays_as_it_is(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        retract_answer(session, email.id, NOW, ME)
        assert (fresh(session, email).version, audited(session)) == (1, [])


def test_an_email_that_does_not_exist_has_no_answer(sessions: Sessions) -> None:
    with writing(sessions) as session, pytest.raises(NotFound):
        retract_answer(session, 4711, NOW, ME)


def test_an_outcome_forbids_it(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = answered(session, patients=2)
        one, _ = request_ids(session, email)
        record_answer(session, email.id, {one: Outcome.REJECTED}, NOW, ME)
        with pytest.raises(Conflict, match=f"has an outcome for placement request {one}"):
            retract_answer(session, email.id, NOW, ME)


def test_the_call_that_the_mistake_canceled_is_booked_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
    assert schedule_follow_up_calls(sessions, LATER, CallPolicy()).scheduled == 1
    with writing(sessions) as session:
        record_answer(session, email.id, {}, LATER, ME)
        retract_answer(session, email.id, LATER, ME)
    assert schedule_follow_up_calls(sessions, LATER, CallPolicy()).scheduled == 1
    with reading(sessions) as session:
        assert list(session.scalars(select(PhoneCall.status).order_by(PhoneCall.id))) == ["canceled", "scheduled"]


def test_a_call_that_was_made_forbids_it(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
    (call_id,) = schedule_follow_up_calls(sessions, LATER, CallPolicy()).call_ids
    with writing(sessions) as session:
        miss_call(session, call_id, LATER + timedelta(days=2), CallPolicy(), actor=ME)
        record_answer(session, email.id, {}, LATER + timedelta(days=2), ME)
        with pytest.raises(Conflict, match="was followed up by a call"):
            retract_answer(session, email.id, LATER, ME)


def test_an_email_in_which_nobody_is_awaited_any_more_is_closed(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = answered(session)
        withdraw_requests(session, request_ids(session, email), NOW, "withdrawn_by_platform")
        retract_answer(session, email.id, NOW, ME)
        assert (fresh(session, email).closed_at, email.status_reason) == (NOW, "request_withdrawn")
        assert session.scalar(select(PlacementRequest.status)) == "withdrawn"
