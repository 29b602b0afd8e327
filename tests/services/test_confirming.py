"""A confirmation says what a therapist accepted: once, only while it holds, and without a contact of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.errors import Conflict, ContactRefused, NotFound
from comms.rules.states import Outcome, RequestStatus
from comms.services.answers import record_answer
from comms.services.confirming import confirm_acceptance
from comms.services.emails import Requests, cancel_email
from comms.services.planning import plan_next_batch
from comms.services.suppressions import suppress_mailbox
from comms.services.withdrawals import withdraw_requests
from comms.store.models import Email, EmailBatch, PhoneCallBatch, PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing
from comms.store.transitions import move_email
from tests.factories import NOW, make_request, make_therapist
from tests.services.email_rows import (
    audited,
    call_about,
    email_in,
    event_types,
    events,
    fresh,
    holders,
    places,
    request_ids,
    statuses,
)
from tests.services.test_batching import CORRESPONDENCE, POLICY

ACCEPTED, REJECTED, FOLLOW_UP = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NEEDS_FOLLOW_UP
ME = "key:test"


def answered(session: Session, *outcomes: Outcome | None, **facts: Any) -> tuple[Email, list[int]]:
    """A sent email whose requests were answered by position; None leaves one out."""
    email = email_in(session, "sent", patients=len(outcomes), template="batch_request", **facts)
    ids = request_ids(session, email)
    given = {id_: outcome for id_, outcome in zip(ids, outcomes, strict=True) if outcome}
    record_answer(session, email.id, given, NOW, ME)
    return email, ids


def confirm(session: Session, email: Email) -> Email:
    id_ = confirm_acceptance(session, email.id, NOW, ME, POLICY, CORRESPONDENCE)
    return session.get_one(Email, id_, populate_existing=True)


def test_it_speaks_of_what_was_accepted_under_its_old_number(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, (_, two, _) = answered(session, REJECTED, ACCEPTED, None)
        made = confirm(session, email)
        assert (made.status, made.template, made.replies_to_email_id) == ("queued", "confirmation", email.id)
        assert places(session, made) == {two: (True, False)}
        assert "Patient 2" in made.body_text
        assert "Patient 1" not in made.body_text


def test_where_a_person_wrote_the_email_it_says_what_is_known_of_the_patient_now(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, ids = answered(session, ACCEPTED)
        session.execute(update(EmailBatch).where(EmailBatch.email_id == email.id).values(facts=None))
        made = confirm(session, email)
        assert "F32" in made.body_text
        frozen = session.scalars(select(EmailBatch.facts).where(EmailBatch.email_id == made.id)).one()
        assert frozen
        assert frozen["diagnosis"] == "F32"
        assert places(session, made) == {ids[0]: (True, False)}


def test_it_names_the_local_days_of_the_email_and_of_the_answer(sessions: Sessions) -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED, sent_at=late)
        text = " ".join(confirm(session, email).body_text.split())
        assert "Ihre Rückmeldung vom 23.11.2026 auf unsere Anfrage vom 22.11.2026" in text


def test_one_patient_alone_needs_no_number(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED)
        assert "Patient 1" not in confirm(session, email).body_text


def test_it_takes_no_contact_and_blocks_none(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED)
        before = holders(session, email)
        made = confirm(session, email)
        assert holders(session, email) == before
        move_email(session, "claim", made.id, NOW, owner="s", lease_until=NOW, attempt=1)
        move_email(session, "accept", made.id, NOW, sent_at=NOW, handed_over_at=NOW)
        make_request(session, session.get_one(Therapist, made.therapist_id))
        (decision,) = plan_next_batch(session, NOW + timedelta(days=8), POLICY, therapist_ids=[made.therapist_id])
        assert decision.verdict.allowed


def test_it_is_announced_and_stands_in_the_audit_log(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, (one,) = answered(session, ACCEPTED)
        made = confirm(session, email)
        told = {"email_id": made.id, "therapist_id": made.therapist_id, "placement_request_ids": [one]}
        created = told | {"template": "confirmation", "status": "queued"}
        assert events(session)[1:] == [("email_created", created)]
        assert (ME, "email.confirm", email.id) in audited(session)


@pytest.mark.parametrize("outcomes", [[None], [REJECTED], [FOLLOW_UP, REJECTED]])
def test_what_was_not_accepted_is_not_confirmed(sessions: Sessions, outcomes: list[Outcome | None]) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, *outcomes)
        with pytest.raises(Conflict, match="nothing to confirm"):
            confirm(session, email)


def test_an_acceptance_that_the_platform_withdrew_since_is_not_confirmed(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, ids = answered(session, ACCEPTED)
        withdraw_requests(session, ids, NOW, "withdrawn_by_platform")
        with pytest.raises(Conflict, match="nothing to confirm"):
            confirm(session, email)


def test_an_email_that_does_not_exist_is_not_confirmed(sessions: Sessions) -> None:
    with writing(sessions) as session, pytest.raises(NotFound):
        confirm_acceptance(session, 4711, NOW, ME, POLICY, CORRESPONDENCE)


def test_what_was_accepted_on_the_phone_can_be_confirmed_too(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        (one,) = request_ids(session, email)
        call = call_about(session, email.therapist_id, one, email.id)
        place = session.scalars(select(PhoneCallBatch).where(PhoneCallBatch.phone_call_id == call.id)).one()
        place.outcome, place.live = ACCEPTED, False
        withdraw_requests(session, [one], NOW, "therapist_accepted", RequestStatus.ACCEPTED)
        assert places(session, confirm(session, email)) == {one: (True, False)}


def test_a_second_one_names_the_first(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED)
        made = confirm(session, email)
        with pytest.raises(Conflict, match=f"email {made.id} does that already and is queued"):
            confirm(session, email)


def test_one_that_failed_is_requeued_and_not_written_twice(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED)
        made = confirm(session, email)
        made.status = "failed"
        session.flush()
        with pytest.raises(Conflict, match="requeue or cancel that one"):
            confirm(session, email)


def test_one_that_was_canceled_makes_room_for_another(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, ids = answered(session, ACCEPTED)
        cancel_email(session, confirm(session, email).id, NOW, ME, Requests.WITHDRAW)
        assert statuses(session, *ids) == ["accepted"]
        assert confirm(session, email).status == "queued"


def test_what_is_accepted_later_is_confirmed_apart(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, (one, two) = answered(session, ACCEPTED, None)
        first = confirm(session, email)
        record_answer(session, email.id, {two: ACCEPTED}, NOW, ME)
        assert places(session, confirm(session, email)) == {two: (True, False)}
        assert places(session, first) == {one: (True, False)}


@pytest.mark.parametrize("corrected", [REJECTED, FOLLOW_UP])
def test_one_that_waits_is_canceled_with_the_acceptance(sessions: Sessions, corrected: Outcome) -> None:
    with writing(sessions) as session:
        email, (one,) = answered(session, ACCEPTED)
        made = confirm(session, email)
        record_answer(session, email.id, {one: corrected}, NOW, ME)
        assert fresh(session, made).status == "canceled"
        assert statuses(session, one) == ["in_progress" if corrected is FOLLOW_UP else "rejected"]


def test_its_own_answer_belongs_to_the_first_email(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED)
        made = confirm(session, email)
        move_email(session, "claim", made.id, NOW, owner="s", lease_until=NOW, attempt=1)
        move_email(session, "accept", made.id, NOW, sent_at=NOW, handed_over_at=NOW)
        with pytest.raises(Conflict, match=f"speaks of email {email.id}: record the answer on that one"):
            record_answer(session, made.id, {}, NOW, ME)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "blocked"}, "blocked"),
        ({"status": "inactive"}, "inactive"),
        ({"do_not_contact": "hat widersprochen"}, "do_not_contact"),
        ({"email": None, "mailbox": None}, "no_email"),
        ({"email_refused_at": NOW}, "no_email"),
    ],
)
def test_who_must_not_be_written_to_gets_no_confirmation(
    sessions: Sessions, facts: dict[str, object], reason: str
) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email, _ = answered(session, ACCEPTED, therapist=therapist)
        for name, value in facts.items():
            setattr(therapist, name, value)
        session.flush()
        with pytest.raises(ContactRefused) as refused:
            confirm(session, email)
        assert refused.value.reason == reason
        session.rollback()


def test_a_suppressed_mailbox_gets_no_confirmation(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED)
        suppress_mailbox(session, email.mailbox, NOW, ME)
        with pytest.raises(ContactRefused, match="suppressed_mailbox"):
            confirm(session, email)


def test_two_who_confirm_at_once_make_one(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, _ = answered(session, ACCEPTED)
        email_id = email.id
    start = Barrier(4)

    def work(_: int) -> bool:
        start.wait()
        try:
            with writing(sessions) as session:
                confirm_acceptance(session, email_id, NOW, ME, POLICY, CORRESPONDENCE)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(4))) == [False, False, False, True]
    with reading(sessions) as session:
        assert len(session.scalars(select(Email.id).where(Email.replies_to_email_id == email_id)).all()) == 1
        assert event_types(session).count("email_created") == 1
        assert session.scalar(select(PlacementRequest.status)) == "accepted"
        assert len(session.scalars(select(EmailBatch.id)).all()) == 2
