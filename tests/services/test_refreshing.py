"""An email out of which somebody was withdrawn is written again before it goes, as the same message."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from sqlalchemy import select, update

from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.batching import process_pending_requests
from comms.services.confirming import confirm_acceptance
from comms.services.refreshing import Refreshed, refresh_stale_emails
from comms.services.withdrawals import withdraw_requests
from comms.store import contacts
from comms.store.models import DeliveryAttempt, Email, OutboxEvent, Patient
from comms.store.session import Sessions, reading, writing
from comms.store.transitions import move_email
from tests.factories import NOW, make_request, make_therapist
from tests.services.email_rows import HANDED_OVER, email_in, holders, request_ids, statuses
from tests.services.test_batching import CORRESPONDENCE, POLICY


def queue_email(sessions: Sessions, patients: int) -> tuple[Email, list[int]]:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        requests = [make_request(session, therapist).id for _ in range(patients)]
    report = process_pending_requests(sessions, NOW, POLICY, CORRESPONDENCE, "run")
    return load(sessions, report.emails[therapist.id]), requests


def load(sessions: Sessions, id_: int) -> Email:
    with reading(sessions) as session:
        email = session.get_one(Email, id_)
        _ = email.raw
        return email


def withdraw(sessions: Sessions, *request_ids: int) -> None:
    with writing(sessions) as session:
        withdraw_requests(session, request_ids, NOW, "withdrawn_by_platform")


def refresh(sessions: Sessions) -> Refreshed:
    return refresh_stale_emails(sessions, CORRESPONDENCE, NOW)


def message(email: Email) -> EmailMessage:
    assert email.raw is not None
    return message_from_bytes(email.raw, policy=policy.default)  # type: ignore[return-value]


def test_it_stays_the_same_message_with_the_same_date_and_boundary(sessions: Sessions) -> None:
    email, requests = queue_email(sessions, 3)
    withdraw(sessions, requests[1])

    assert refresh(sessions) == Refreshed(written=1)

    before, after = message(email), message(load(sessions, email.id))
    for header in ("Message-ID", "Date", "To", "From", "Reply-To", "Content-Type"):
        assert after[header] == before[header]


def test_the_others_keep_their_numbers_and_the_withdrawn_patient_is_gone(sessions: Sessions) -> None:
    email, requests = queue_email(sessions, 3)
    withdraw(sessions, requests[1])
    refresh(sessions)

    text = load(sessions, email.id).body_text
    assert "Patient 1" in text
    assert "Patient 2" not in text
    assert "Patient 3" in text


def test_with_one_patient_left_template_and_subject_follow_the_new_count(sessions: Sessions) -> None:
    email, requests = queue_email(sessions, 2)
    withdraw(sessions, requests[0])
    refresh(sessions)

    after = load(sessions, email.id)
    assert (email.template, after.template) == ("batch_request", "initial_contact")
    assert after.subject != email.subject
    assert "Patient 2" not in after.body_text


def test_facts_are_those_frozen_with_the_patient_not_what_is_known_by_now(sessions: Sessions) -> None:
    email, requests = queue_email(sessions, 2)
    with writing(sessions) as session:
        for patient in session.scalars(select(Patient)):
            patient.diagnosis = "F41.1 G"
    withdraw(sessions, requests[0])
    refresh(sessions)

    text = load(sessions, email.id).body_text
    assert "F32" in text
    assert "F41" not in text


def test_an_email_in_which_nobody_is_left_is_canceled_and_frees_its_contact(sessions: Sessions) -> None:
    email, requests = queue_email(sessions, 2)
    withdraw(sessions, *requests)
    refresh(sessions)

    after = load(sessions, email.id)
    assert (after.status, after.status_reason) == ("canceled", "request_withdrawn")
    with reading(sessions) as session:
        assert contacts.states(session, [contacts.mailbox_key(email.mailbox)])[contacts.mailbox_key(email.mailbox)] == (
            None,
            None,
        )
        types = [event.event_type for event in session.scalars(select(OutboxEvent)) if event.key == f"email:{email.id}"]
    assert types.count("communication.email_canceled") == 1


def test_an_email_that_emptied_while_a_sender_held_it_is_canceled_when_it_comes_back(sessions: Sessions) -> None:
    email, requests = queue_email(sessions, 1)
    with writing(sessions) as session:
        row = session.get_one(Email, email.id)
        row.status, row.owner, row.lease_until = "sending", "sender", NOW
    withdraw(sessions, *requests)
    with writing(sessions) as session:
        row = session.get_one(Email, email.id)
        row.status, row.owner, row.lease_until = "queued", None, None

    assert refresh(sessions) == Refreshed(canceled=1)
    assert load(sessions, email.id).status_reason == "request_withdrawn"


def test_what_was_once_handed_over_is_never_written_again(sessions: Sessions) -> None:
    email, _ = queue_email(sessions, 2)
    with writing(sessions) as session:
        row = session.get_one(Email, email.id)
        row.stale, row.handed_over_at = True, NOW

    assert refresh(sessions) == Refreshed()
    assert load(sessions, email.id).raw == email.raw


def test_writing_again_twice_does_it_once(sessions: Sessions) -> None:
    _, requests = queue_email(sessions, 3)
    withdraw(sessions, requests[2])

    assert [refresh(sessions), refresh(sessions)] == [Refreshed(written=1), Refreshed()]


def test_a_confirmation_written_again_still_speaks_of_the_email_that_it_answers(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=3, template="batch_request")
        one, two, _ = request_ids(session, email)
        record_answer(session, email.id, {one: Outcome.ACCEPTED, two: Outcome.ACCEPTED}, NOW, "test")
        made = confirm_acceptance(session, email.id, NOW, "test", POLICY, CORRESPONDENCE)
    before = load(sessions, made)
    withdraw(sessions, one)
    assert refresh(sessions) == Refreshed(written=1)

    after = load(sessions, made)
    assert "Patient 1" not in after.body_text
    for words in ("Rückmeldung vom 23.11.2026", "Anfrage vom 23.11.2026", "Patient 2"):
        assert words in " ".join(before.body_text.split())
        assert words in " ".join(after.body_text.split())


def sending_again(sessions: Sessions, patients: int) -> tuple[Email, list[int]]:
    """A sender holds it once more, not handed over yet; what became of the first try is not known."""
    with writing(sessions) as session:
        email = email_in(session, "sending", patients=patients, handed_over_at=HANDED_OVER, attempt=2)
        session.execute(update(DeliveryAttempt).values(handed_over_at=None))
        doubt = {"handed_over_at": HANDED_OVER, "outcome": "lose"}
        session.add(DeliveryAttempt(email_id=email.id, attempt=1, owner="s", started_at=HANDED_OVER, **doubt))
        return email, request_ids(session, email)


def rescue(sessions: Sessions, email: Email) -> None:
    with writing(sessions) as session:
        move_email(session, "rescue", email.id, NOW, next_attempt_at=NOW)


def test_one_that_emptied_in_a_later_try_is_canceled_and_its_contact_of_the_doubt_stays(sessions: Sessions) -> None:
    """It may have arrived once, so the therapist has been contacted although nobody is left in it."""
    email, requests = sending_again(sessions, 1)
    withdraw(sessions, *requests)
    rescue(sessions, email)

    assert refresh(sessions) == Refreshed(canceled=1)
    with reading(sessions) as session:
        assert session.get_one(Email, email.id).status_reason == "request_withdrawn"
        assert holders(session, email) == {(None, HANDED_OVER)}
        assert statuses(session, *requests) == ["withdrawn"]


def test_one_that_may_have_arrived_is_not_written_again_but_canceled_for_those_who_are_left(sessions: Sessions) -> None:
    email, (one, two) = sending_again(sessions, 2)
    withdraw(sessions, one)
    rescue(sessions, email)

    assert refresh(sessions) == Refreshed(canceled=1)
    with reading(sessions) as session:
        assert statuses(session, one, two) == ["withdrawn", "open"]
        assert holders(session, email) == {(None, HANDED_OVER)}
