"""What is named before anything is known of it, and what becomes of it when facts come in."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from comms.rules.policy import CallPolicy, ContactPolicy
from comms.rules.states import Outcome
from comms.services.calls.needs import therapists_in_need
from comms.services.intake.stubs import keep_request_stubs, keep_therapist_stub
from comms.services.outcomes import settle_requests
from comms.services.planning import plan_next_batch
from comms.services.withdrawals import withdraw_requests
from comms.store.models import Email, EmailBatch, PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_email, make_patient, make_request, make_therapist, number
from tests.services.bringing import bring


def request_of(sessions: Sessions, id_: int) -> PlacementRequest:
    with reading(sessions) as session:
        return session.get_one(PlacementRequest, id_)


def named(sessions: Sessions, **facts: str | None) -> tuple[int, int]:
    """A therapist and a request of which only the name is known."""
    with writing(sessions) as session:
        therapist = make_therapist(session, **facts)
        request_id = number()
        keep_request_stubs(session, [request_id], therapist.id, NOW)
        return therapist.id, request_id


def in_an_email(sessions: Sessions) -> tuple[int, int, int]:
    therapist_id, request_id = named(sessions)
    with writing(sessions) as session:
        stub = session.get_one(PlacementRequest, request_id)
        email = make_email(session, session.get_one(Therapist, therapist_id), [stub])
        return therapist_id, request_id, email.id


def test_a_therapist_that_is_named_becomes_a_stub_once(sessions: Sessions) -> None:
    with writing(sessions) as session:
        assert keep_therapist_stub(session, 101, NOW)
        assert not keep_therapist_stub(session, 101, NOW)
        assert session.get_one(Therapist, 101).facts_missing


def test_what_is_known_stays_as_it_is_when_it_is_named(sessions: Sessions) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session))
        other = make_therapist(session)
        new = number()
        assert keep_request_stubs(session, [request.id, new], other.id, NOW) == {new}
        assert request.patient_id is not None


def test_a_stub_is_planned_for_as_one_whose_facts_are_missing(sessions: Sessions) -> None:
    therapist_id, _ = named(sessions)

    with reading(sessions) as session:
        (decision,) = plan_next_batch(session, NOW, ContactPolicy())

    assert (decision.therapist_id, decision.verdict.reason) == (therapist_id, "facts_missing")


def test_nobody_is_called_about_a_stub(sessions: Sessions) -> None:
    named(sessions, email=None)

    with reading(sessions) as session:
        assert therapists_in_need(session, NOW, CallPolicy()) == []


def test_facts_that_come_in_complete_a_stub_in_an_email(sessions: Sessions) -> None:
    therapist_id, request_id, _ = in_an_email(sessions)
    patient_id = number()

    report = bring(sessions, requests=[{"id": request_id, "patient_id": patient_id, "therapist_id": therapist_id}])

    found = request_of(sessions, request_id)
    assert (found.patient_id, found.status) == (patient_id, "in_progress")
    assert (report.counts["placement_requests"].updated, report.stubs["patients"]) == (1, 1)


def test_a_stub_that_belongs_to_another_therapist_leaves_the_waiting_email(sessions: Sessions) -> None:
    _, request_id, email_id = in_an_email(sessions)
    other = number()

    bring(sessions, requests=[{"id": request_id, "patient_id": number(), "therapist_id": other}])

    found = request_of(sessions, request_id)
    assert (found.therapist_id, found.status) == (other, "open")
    with reading(sessions) as session:
        assert session.get_one(Email, email_id).status == "canceled"
        assert session.scalars(select(EmailBatch.included)).all() == [False]


def test_once_its_patient_is_known_it_keeps_it(sessions: Sessions) -> None:
    _, request_id = named(sessions)
    bring(sessions, requests=[{"id": request_id, "patient_id": 7}])

    report = bring(sessions, requests=[{"id": request_id, "patient_id": 8}])

    assert [note.reason for note in report.refusals] == ["patient_changed"]


def test_a_stub_does_not_get_a_deleted_patient(sessions: Sessions) -> None:
    _, request_id = named(sessions)
    with writing(sessions) as session:
        patient = make_patient(session, deleted_at=NOW)

    report = bring(sessions, requests=[{"id": request_id, "patient_id": patient.id}])

    assert [note.reason for note in report.refusals] == ["patient_deleted"]
    assert request_of(sessions, request_id).patient_id is None


def test_an_accepted_stub_withdraws_the_others_once_its_patient_is_known(sessions: Sessions) -> None:
    _, request_id = named(sessions)
    with writing(sessions) as session:
        other = make_request(session, make_therapist(session))
        settle_requests(session, {request_id: Outcome.ACCEPTED}, NOW)

    bring(sessions, requests=[{"id": request_id, "patient_id": other.patient_id}])

    assert request_of(sessions, other.id).status_reason == "patient_placed"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_answer_about_stubs_concerns_nobody_else(sessions: Sessions, outcome: Outcome) -> None:
    _, first = named(sessions)
    _, second = named(sessions)

    with writing(sessions) as session:
        settle_requests(session, {first: outcome}, NOW)

    assert request_of(sessions, second).status == "open"


def test_a_stub_can_be_withdrawn(sessions: Sessions) -> None:
    _, request_id, email_id = in_an_email(sessions)

    with writing(sessions) as session:
        done = withdraw_requests(session, [request_id], NOW, "canceled_by_staff")

    assert done.emails_canceled == (email_id,)
