"""What the platform's word on a status does to emails, calls and requests that are under way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from comms.services.intake import ImportReport, Kind, Record, import_records
from comms.store.contacts import claim, email_holder, happened, mailbox_key, states, therapist_key
from comms.store.models import Email, EmailBatch, PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import (
    NOW,
    WEEK,
    make_email,
    make_patient,
    make_request,
    make_sent_email,
    make_therapist,
    number,
)


def tell(sessions: Sessions, kind: Kind, rows: Sequence[dict[str, Any]], **how: Any) -> ImportReport:
    return import_records(sessions, [Record(kind, f"row {n}", row) for n, row in enumerate(rows, 1)], NOW, **how)


def tell_status(sessions: Sessions, request_id: int, status: str | None) -> ImportReport:
    return tell(sessions, Kind.PLACEMENT_REQUESTS, [{"id": request_id, "status": status}])


def request_of(sessions: Sessions, id_: int) -> PlacementRequest:
    with reading(sessions) as session:
        return session.get_one(PlacementRequest, id_)


def waiting(sessions: Sessions, patients: int = 2) -> tuple[int, list[int]]:
    """A queued email with its contact claimed; its id and its requests."""
    with writing(sessions) as session:
        therapist = make_therapist(session)
        requests = [make_request(session, therapist) for _ in range(patients)]
        email = make_email(session, therapist, requests)
        keys = (therapist_key(therapist.id), mailbox_key(email.mailbox))
        assert claim(session, {email_holder(email.id): keys}, NOW, WEEK)
        return email.id, [request.id for request in requests]


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("abgelehnt", "rejected", "rejected_by_platform"),
        ("angenommen", "accepted", "accepted_by_platform"),
        ("zurückgezogen", "withdrawn", "withdrawn_by_platform"),
        ("withdrawn", "withdrawn", "withdrawn_by_platform"),
    ],
)
@pytest.mark.parametrize("before", ["open", "in_progress"])
def test_a_closing_status_closes_the_request(
    sessions: Sessions, before: str, word: str, status: str, reason: str
) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session), status=before)

    report = tell_status(sessions, request.id, word)

    found = request_of(sessions, request.id)
    assert (found.status, found.status_reason, found.closed_at) == (status, reason, NOW)
    assert report.counts["placement_requests"].updated == 1
    assert report.effects["requests_closed"] == 1


def test_a_closed_request_leaves_a_waiting_email_to_the_others(sessions: Sessions) -> None:
    email_id, (first, second) = waiting(sessions)

    report = tell_status(sessions, first, "abgelehnt")

    with reading(sessions) as session:
        email = session.get_one(Email, email_id)
        included = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email_id, EmailBatch.included)
        assert (email.status, email.stale, email.version) == ("queued", True, 2)
        assert session.scalars(included).all() == [second]
    assert report.effects == {"requests_closed": 1, "emails_stale": 1}


def test_an_email_with_nobody_left_is_canceled_and_its_contact_released(sessions: Sessions) -> None:
    email_id, ids = waiting(sessions)

    report = tell(sessions, Kind.PLACEMENT_REQUESTS, [{"id": id_, "status": "withdrawn"} for id_ in ids])

    with reading(sessions) as session:
        email = session.get_one(Email, email_id)
        assert (email.status, email.status_reason) == ("canceled", "request_withdrawn")
        keys = [therapist_key(email.therapist_id), mailbox_key(email.mailbox)]
        assert set(states(session, keys).values()) == {(None, None)}
    assert report.effects["emails_canceled"] == 1


def test_a_place_found_elsewhere_withdraws_the_patients_other_requests(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        first, second = (make_request(session, make_therapist(session), patient) for _ in range(2))
        third = number()

    tell_status(sessions, first.id, "angenommen")
    assert request_of(sessions, second.id).status_reason == "patient_placed"

    rows = [
        {"id": third, "patient_id": patient.id, "therapist_id": second.therapist_id, "status": "offen"},
        {"id": number(), "patient_id": patient.id, "therapist_id": number(), "status": "angenommen"},
    ]
    tell(sessions, Kind.PLACEMENT_REQUESTS, rows)
    assert request_of(sessions, third).status_reason == "patient_placed"


@pytest.mark.parametrize("word", ["in_bearbeitung", "offen", None])
@pytest.mark.parametrize("before", ["open", "in_progress"])
def test_what_is_under_way_goes_on(sessions: Sessions, before: str, word: str | None) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session), status=before)

    report = tell_status(sessions, request.id, word)

    assert request_of(sessions, request.id).status == before
    assert report.counts["placement_requests"].unchanged == 1


def test_a_new_request_in_progress_was_never_asked_from_here_and_is_open(sessions: Sessions) -> None:
    report = tell(
        sessions, Kind.PLACEMENT_REQUESTS, [{"id": 1, "patient_id": 2, "therapist_id": 3, "status": "in_bearbeitung"}]
    )

    assert request_of(sessions, 1).status == "open"
    assert [n.reason for n in report.warnings] == ["taken_as_open"]


@pytest.mark.parametrize(("word", "status"), [("abgelehnt", "rejected"), ("angenommen", "accepted")])
def test_a_request_may_come_in_closed(sessions: Sessions, word: str, status: str) -> None:
    tell(sessions, Kind.PLACEMENT_REQUESTS, [{"id": 1, "patient_id": 2, "therapist_id": 3, "status": word}])

    found = request_of(sessions, 1)
    assert (found.status, found.status_reason, found.closed_at) == (status, f"{status}_by_platform", NOW)


def test_what_the_platform_withdrew_it_may_open_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session))
    tell_status(sessions, request.id, "abgelehnt")

    report = tell_status(sessions, request.id, "offen")

    found = request_of(sessions, request.id)
    assert (found.status, found.status_reason, found.closed_at) == ("open", None, None)
    assert report.effects == {"requests_reopened": 1}


def test_what_the_platform_closed_takes_its_newer_word(sessions: Sessions) -> None:
    with writing(sessions) as session:
        request = make_request(session, make_therapist(session))
    tell_status(sessions, request.id, "abgelehnt")

    tell_status(sessions, request.id, "angenommen")

    assert request_of(sessions, request.id).status_reason == "accepted_by_platform"


@pytest.mark.parametrize("reason", ["therapist_rejected", "patient_placed", "canceled_by_staff"])
@pytest.mark.parametrize("word", ["offen", "angenommen", "withdrawn"])
def test_what_ended_here_stays_as_it_ended(sessions: Sessions, reason: str, word: str) -> None:
    with writing(sessions) as session:
        closed = {"status": "rejected", "status_reason": reason, "closed_at": NOW}
        request = make_request(session, make_therapist(session), **closed)

    report = tell_status(sessions, request.id, word)

    assert request_of(sessions, request.id).status_reason == reason
    assert report.counts["placement_requests"].unchanged == 1
    assert [n.reason for n in report.warnings] == ([] if word == "offen" else ["already_closed"])


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ({"status": "gesperrt"}, "blocked"),
        ({"status": "inaktiv"}, "inactive"),
        ({"do_not_contact": "hat widersprochen"}, "do_not_contact"),
    ],
)
def test_a_therapist_who_must_not_be_contacted_loses_waiting_emails_at_once(
    sessions: Sessions, fact: dict[str, str], reason: str
) -> None:
    email_id, requests = waiting(sessions)
    with reading(sessions) as session:
        therapist_id = session.get_one(Email, email_id).therapist_id

    report = tell(sessions, Kind.THERAPISTS, [{"id": therapist_id} | fact])

    with reading(sessions) as session:
        email = session.get_one(Email, email_id)
        assert (email.status, email.status_reason) == ("canceled", reason)
    assert {request_of(sessions, id_).status for id_ in requests} == {"open"}
    assert report.effects["therapists_stopped"] == 1
    assert tell(sessions, Kind.THERAPISTS, [{"id": therapist_id} | fact]).effects == {}


def test_a_refused_row_ends_nothing(sessions: Sessions) -> None:
    email_id, (first, second) = waiting(sessions)
    with reading(sessions) as session:
        therapist_id = session.get_one(Email, email_id).therapist_id

    reports = [
        tell(sessions, Kind.THERAPISTS, [{"id": therapist_id, "status": "gesperrt", "nachname": None}]),
        tell(sessions, Kind.PLACEMENT_REQUESTS, [{"id": first, "status": "abgelehnt", "patient_id": number()}]),
        tell(sessions, Kind.PLACEMENT_REQUESTS, [{"id": second, "status": "abgelehnt", "therapist_id": number()}]),
    ]

    assert [(report.refused, dict(report.effects)) for report in reports] == [(1, {})] * 3
    with reading(sessions) as session:
        email = session.get_one(Email, email_id)
        assert (email.status, email.stale) == ("queued", False)
        assert session.get_one(Therapist, therapist_id).status == "active"
    assert {request_of(sessions, id_).status for id_ in (first, second)} == {"in_progress"}


def test_a_sent_email_keeps_its_contact_when_its_request_is_closed(sessions: Sessions) -> None:
    sent_at = NOW - timedelta(days=2)
    with writing(sessions) as session:
        therapist = make_therapist(session)
        request = make_request(session, therapist)
        email = make_sent_email(session, therapist, [request], at=sent_at)
        claim(session, {email_holder(email.id): [therapist_key(therapist.id)]}, sent_at, WEEK)
        happened(session, {email_holder(email.id): sent_at})

    tell_status(sessions, request.id, "abgelehnt")

    with reading(sessions) as session:
        assert session.get_one(Email, email.id).status == "sent"
        key = therapist_key(therapist.id)
        assert states(session, [key]) == {key: (None, sent_at)}
