"""Events of the platform, stored once and applied once, on both databases."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from comms.errors import Conflict
from comms.ports import IncomingMessage
from comms.services import inbox
from comms.services.inbox import applying, handle_events, list_dead_letters, receive, replay_dead_letter
from comms.services.inbox.outcomes import TRIES
from comms.store import leases
from comms.store.models import (
    DeadLetter,
    Email,
    EmailBatch,
    InboxEvent,
    OutboxEvent,
    Patient,
    PhoneCall,
    PlacementRequest,
    Therapist,
)
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_email, make_patient, make_request, make_sent_email, make_therapist, number
from tests.invariants import broken
from tests.services.messages import PATIENT, THERAPIST, event, event_bytes, message


def take_in(sessions: Sessions, *messages: IncomingMessage) -> inbox.Received:
    with writing(sessions) as session:
        return receive(session, messages, NOW)


def handle(sessions: Sessions, *messages: IncomingMessage) -> inbox.Handled:
    take_in(sessions, *messages)
    return handle_events(sessions)


def request(sessions: Sessions, id_: int) -> PlacementRequest:
    with reading(sessions) as session:
        return session.get_one(PlacementRequest, id_)


@pytest.fixture
def match() -> dict[str, int]:
    return {"match_id": number(), "patient_id": number(), "therapist_id": number()}


def test_an_event_that_comes_twice_is_stored_and_applied_once(sessions: Sessions, match: dict[str, int]) -> None:
    twice = event_bytes("match.created", event_id="one", **match)
    assert take_in(sessions, message(twice), message(twice)).new == 1
    assert take_in(sessions, message(twice, partition=3)).known == 1
    assert handle_events(sessions).applied == {"match.created": 1}
    assert handle_events(sessions).applied == {}


def test_without_an_id_the_same_coordinates_are_one_event(sessions: Sessions) -> None:
    sent = event("patient.created", event_id=None, patient_id=number())
    assert take_in(sessions, sent).new == 1
    assert take_in(sessions, sent).known == 1


def test_poison_is_a_dead_letter_and_the_next_message_goes_on(sessions: Sessions, match: dict[str, int]) -> None:
    done = take_in(sessions, message(b"{"), event("match.created", **match), message(None), event("invoice.paid"))
    assert (done.new, done.dead, done.unknown) == (1, 2, 1)
    with reading(sessions) as session:
        assert [letter.reason for letter in list_dead_letters(session)] == ["no_value", "not_json"]


def test_a_match_is_a_pending_request_and_whom_it_names_is_kept_as_a_stub(
    sessions: Sessions, match: dict[str, int]
) -> None:
    done = handle(sessions, event("match.created", **match))
    assert done.new_requests == (match["match_id"],)
    assert request(sessions, match["match_id"]).status == "open"
    with reading(sessions) as session:
        assert session.get_one(Therapist, match["therapist_id"]).facts_missing
        assert session.get_one(Patient, match["patient_id"]).facts_missing


def test_facts_complete_the_stubs(sessions: Sessions, match: dict[str, int]) -> None:
    handle(
        sessions,
        event("match.created", **match),
        event("therapist.created", minutes=1, therapist_id=match["therapist_id"], therapist_data=THERAPIST),
        event("patient.created", minutes=1, patient_id=match["patient_id"], patient_data=PATIENT),
    )
    with reading(sessions) as session:
        therapist = session.get_one(Therapist, match["therapist_id"])
        assert (therapist.facts_missing, therapist.title, therapist.phone) == (False, "Dr. med.", "+49301234567")
        assert not session.get_one(Patient, match["patient_id"]).facts_missing


def test_a_status_before_its_creation_waits_for_it(sessions: Sessions, match: dict[str, int]) -> None:
    early = event("match.status_changed", minutes=5, match_id=match["match_id"], new_status="abgelehnt")
    assert handle(sessions, early).waiting == 1
    assert handle(sessions, event("match.created", **match)).applied.total() == 2
    assert request(sessions, match["match_id"]).status == "rejected"


def test_a_status_whose_creation_never_comes_is_a_dead_letter_after_a_week(
    sessions: Sessions, match: dict[str, int]
) -> None:
    take_in(sessions, event("match.status_changed", match_id=match["match_id"], new_status="offen"))
    with writing(sessions) as session:
        session.execute(update(InboxEvent).values(received_at=NOW - timedelta(days=30)))
    assert handle_events(sessions).dead == 1


def test_an_older_status_after_a_newer_one_changes_nothing(sessions: Sessions, match: dict[str, int]) -> None:
    id_ = match["match_id"]
    handle(sessions, event("match.created", **match))
    handle(sessions, event("match.status_changed", minutes=9, match_id=id_, new_status="abgelehnt"))
    assert handle(sessions, event("match.status_changed", minutes=3, match_id=id_, new_status="offen")).older == 1
    assert request(sessions, id_).status == "rejected"


def test_events_of_one_poll_are_applied_in_the_order_in_which_they_happened(
    sessions: Sessions, match: dict[str, int]
) -> None:
    id_ = match["match_id"]
    told = [
        event("match.status_changed", minutes=2, match_id=id_, new_status="offen"),
        event("match.status_changed", minutes=1, match_id=id_, new_status="abgelehnt"),
        event("match.created", **match),
    ]
    assert handle(sessions, *told).applied.total() == 3
    assert request(sessions, id_).status == "open"


@pytest.mark.parametrize("status", ["abgelehnt", "angenommen"])
def test_what_the_platform_closes_leaves_waiting_emails(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        first, second = (make_request(session, therapist) for _ in range(2))
        email = make_email(session, therapist, [first, second], template="batch_request")
    done = handle(sessions, event("match.status_changed", match_id=first.id, new_status=status))
    assert done.applied.total() == 1
    with reading(sessions) as session:
        assert session.get_one(Email, email.id).stale
        included = select(EmailBatch.placement_request_id).where(EmailBatch.included, EmailBatch.email_id == email.id)
        assert session.scalars(included).all() == [second.id]


def test_an_email_that_nobody_is_left_in_is_canceled_and_announced(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        only = make_request(session, therapist)
        email = make_email(session, therapist, [only])
    handle(sessions, event("match.status_changed", match_id=only.id, new_status="abgelehnt"))
    with reading(sessions) as session:
        assert session.get_one(Email, email.id).status == "canceled"
        assert session.scalars(select(OutboxEvent.event_type)).all() == ["communication.email_canceled"]


def test_what_we_said_ourselves_changes_nothing(sessions: Sessions, match: dict[str, int]) -> None:
    handle(sessions, event("match.created", **match))
    told = event("match.status_changed", minutes=1, match_id=match["match_id"], new_status="in_bearbeitung")
    assert handle(sessions, told).unchanged == 1
    assert request(sessions, match["match_id"]).status == "open"


def test_open_again_leaves_a_request_where_it_is_alive(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        asked = make_request(session, therapist)
        make_sent_email(session, therapist, [asked], at=NOW)
    handle(sessions, event("match.status_changed", match_id=asked.id, new_status="offen"))
    assert request(sessions, asked.id).status == "in_progress"


def test_a_blocked_therapist_loses_waiting_emails_with_the_reason(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        asked = make_request(session, therapist)
        email = make_email(session, therapist, [asked])
    handle(sessions, event("therapist.blocked", therapist_id=therapist.id, reason="Beschwerde"))
    with reading(sessions) as session:
        canceled = session.get_one(Email, email.id)
        assert (canceled.status, canceled.status_reason) == ("canceled", "blocked")
        assert session.get_one(Therapist, therapist.id).status == "blocked"
    assert request(sessions, asked.id).status == "open"


def test_a_therapist_nobody_knows_is_blocked_all_the_same(sessions: Sessions) -> None:
    id_ = number()
    handle(sessions, event("therapist.blocked", therapist_id=id_))
    with reading(sessions) as session:
        assert session.get_one(Therapist, id_).status == "blocked"


def test_facts_that_are_older_than_a_block_do_not_lift_it(sessions: Sessions) -> None:
    id_ = number()
    handle(sessions, event("therapist.blocked", minutes=5, therapist_id=id_))
    handle(sessions, event("therapist.updated", minutes=1, therapist_id=id_, therapist_data=THERAPIST))
    with reading(sessions) as session:
        therapist = session.get_one(Therapist, id_)
        assert (therapist.status, therapist.last_name) == ("blocked", "Müller")


def test_unblocked_is_eligible_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, status="blocked")
    handle(sessions, event("therapist.unblocked", therapist_id=therapist.id))
    with reading(sessions) as session:
        assert session.get_one(Therapist, therapist.id).status == "active"


def test_a_deleted_patient_is_withdrawn_everywhere_and_forgotten(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist, other = make_therapist(session), make_therapist(session)
        patient = make_patient(session)
        waiting, sent = make_request(session, therapist, patient), make_request(session, other, patient)
        make_email(session, therapist, [waiting])
        make_sent_email(session, other, [sent], at=NOW)
    handle(sessions, event("patient.deleted", patient_id=patient.id))
    with reading(sessions) as session:
        statuses = session.execute(select(PlacementRequest.status, PlacementRequest.status_reason)).all()
        assert set(statuses) == {("withdrawn", "patient_deleted")}
        gone = session.get_one(Patient, patient.id)
        assert gone.deleted_at
        assert (gone.diagnosis, gone.birth_date, gone.insurance) == (None, None, None)
    assert handle(sessions, event("patient.updated", minutes=9, patient_id=patient.id, patient_data=PATIENT)).dead == 0
    with reading(sessions) as session:
        assert session.get_one(Patient, patient.id).diagnosis is None


def test_what_the_event_says_and_nobody_can_use_is_a_dead_letter_at_once(sessions: Sessions) -> None:
    told = event("therapist.updated", therapist_id=number(), therapist_data={**THERAPIST, "status": "vielleicht"})
    assert handle(sessions, told).dead == 1
    with reading(sessions) as session:
        assert [letter.reason for letter in list_dead_letters(session)] == ["unknown_status"]


def test_a_handler_that_fails_five_times_for_one_reason_is_a_dead_letter(
    sessions: Sessions, match: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr("comms.services.inbox.handling.apply_events", fail)
    take_in(sessions, event("match.created", **match))
    for _ in range(TRIES - 1):
        assert handle_events(sessions).failed == 1
        with writing(sessions) as session:
            session.execute(update(InboxEvent).values(next_attempt_at=None))
    assert handle_events(sessions).dead == 1
    monkeypatch.setattr("comms.services.inbox.handling.apply_events", applying.apply_events)
    with writing(sessions) as session:
        [letter] = list_dead_letters(session)
        assert letter.reason == "ZeroDivisionError"
        replay_dead_letter(session, letter.id, NOW, "test")
    assert handle_events(sessions).applied == {"match.created": 1}


def test_one_that_failed_holds_back_only_its_own_subject(sessions: Sessions, match: dict[str, int]) -> None:
    other = number()
    take_in(sessions, event("match.created", **match), event("patient.created", patient_id=other))
    with writing(sessions) as session:
        later = update(InboxEvent).where(InboxEvent.event_type == "match.created")
        session.execute(later.values(next_attempt_at=NOW + timedelta(days=365)))
    take_in(sessions, event("match.created", minutes=5, **match))
    assert handle_events(sessions).applied == {"patient.created": 1}


def test_poison_that_still_cannot_be_read_is_not_replayed(sessions: Sessions) -> None:
    take_in(sessions, message(b"{"))
    with writing(sessions) as session, pytest.raises(Conflict, match="not_json"):
        replay_dead_letter(session, list_dead_letters(session)[0].id, NOW, "test")


def test_a_second_run_stands_by(sessions: Sessions, match: dict[str, int]) -> None:
    take_in(sessions, event("match.created", **match))
    with writing(sessions) as session:
        leases.hold(session, "inbox", "somebody else", NOW + timedelta(days=365), timedelta(hours=1))
    assert handle_events(sessions).ended == "standby"


def test_a_shuffled_crowd_with_repeats_and_poison_acts_once(sessions: Sessions) -> None:
    shuffled = random.Random(7)
    matches = [{"match_id": number(), "patient_id": number(), "therapist_id": number()} for _ in range(60)]
    sent = [event_bytes("match.created", **match) for match in matches]
    sent += [
        event_bytes(
            "match.status_changed", at=NOW + timedelta(minutes=1), match_id=m["match_id"], new_status="abgelehnt"
        )
        for m in matches[:20]
    ]
    crowd = [message(value, partition=shuffled.randrange(4)) for value in sent * 3] + [message(b"{") for _ in range(5)]
    shuffled.shuffle(crowd)
    for start in range(0, len(crowd), 40):
        handle(sessions, *crowd[start : start + 40])
    with reading(sessions) as session:
        counted = session.execute(select(PlacementRequest.status, func.count()).group_by(PlacementRequest.status))
        assert sorted(map(tuple, counted)) == [("open", 40), ("rejected", 20)]
        assert session.scalar(select(func.count()).select_from(DeadLetter)) == 5
        assert session.scalars(select(InboxEvent.outcome).distinct()).all() == ["applied"]
        assert session.scalars(select(PhoneCall.id)).all() == []
    assert broken(sessions) == {}
