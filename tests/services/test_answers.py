"""Answers: for the email and for each request, what follows from them, and how they are corrected."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, NotFound
from comms.rules.states import Outcome
from comms.services.answers import Answer, record_answer
from comms.services.emails import bounce_email, queue_email
from comms.services.withdrawals import withdraw_requests
from comms.store.models import AuditEntry, Email, OutboxEvent, PhoneCall, PlacementRequest
from comms.store.session import Sessions, writing
from comms.store.staff import raise_item
from tests.factories import NOW, make_patient, make_request, make_sent_email, make_therapist
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
    places,
    request_ids,
    staff_items,
    statuses,
)
from tests.services.test_emails import POLICY

ACCEPTED, REJECTED, FOLLOW_UP = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NEEDS_FOLLOW_UP
ME = "cli:test"


def answer(session: Session, email: Email, *outcomes: Outcome | None, at: datetime = NOW, **more: object) -> Answer:
    """Record outcomes by position in the email; None leaves one out."""
    pairs = zip(request_ids(session, email), outcomes, strict=False)
    given_ = {id_: outcome for id_, outcome in pairs if outcome}
    return record_answer(session, email.id, given_, at, ME, **more)  # type: ignore[arg-type]


# what is recorded


def test_an_answer_is_known_for_the_email_and_for_each_request(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        one, two = request_ids(session, email)
        done = answer(session, email, REJECTED, ACCEPTED, content="Frau M. ja, die andere leider nicht")
        assert done == Answer(email.id, True, {one: REJECTED, two: ACCEPTED}, (), ())
        row = fresh(session, email)
        assert (row.response_received, row.response_date) == (True, NOW)
        assert row.response_content == "Frau M. ja, die andere leider nicht"
        assert places(session, email) == {one: (True, False), two: (True, False)}
        assert statuses(session, one, two) == ["rejected", "accepted"]


def test_every_answered_request_is_published_once(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        one, two = request_ids(session, email)
        answer(session, email, REJECTED, FOLLOW_UP, source="reply")
        answer(session, email, REJECTED, FOLLOW_UP, source="reply")
        common = {"email_id": email.id, "therapist_id": email.therapist_id, "source": "reply"}
        assert events(session) == [
            ("response_recorded", common | {"placement_request_id": one, "outcome": "rejected"}),
            ("response_recorded", common | {"placement_request_id": two, "outcome": "needs_follow_up"}),
        ]


def test_an_answer_without_outcomes_is_published_without_a_request(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        answer(session, email)
        ((kind, payload),) = events(session)
        assert (kind, payload["placement_request_id"], payload["outcome"]) == ("response_recorded", None, None)


def test_what_the_therapist_wrote_stands_in_its_column_and_nowhere_else(sessions: Sessions) -> None:
    secret = "Frau Sommer hat mir abgesagt"
    with writing(sessions) as session:
        email = email_in(session, "sent")
        done = answer(session, email, REJECTED, content=secret)
        told = [*session.scalars(select(OutboxEvent.payload)), *session.scalars(select(AuditEntry.details)), done]
        assert secret not in str(told)


def test_recording_the_same_again_changes_nothing(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        answer(session, email, ACCEPTED)
        version, seen = fresh(session, email).version, audited(session)
        assert not answer(session, email, ACCEPTED, at=NOW + timedelta(days=1)).changed
        assert (fresh(session, email).version, audited(session)) == (version, seen)


def test_the_answer_may_have_come_earlier(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        came = NOW - timedelta(minutes=30)
        answer(session, email, REJECTED, response_date=came)
        assert fresh(session, email).response_date == came


def test_an_answer_of_tomorrow_is_refused(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        with pytest.raises(BadInput, match="date: an answer cannot come in the future"):
            answer(session, email, REJECTED, response_date=NOW + timedelta(days=1))


def test_a_request_of_another_email_is_refused_and_named(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email, other = email_in(session, "sent"), email_in(session, "sent")
        stranger = request_ids(session, other)[0]
        with pytest.raises(BadInput, match=f"does not ask about placement request {stranger}"):
            record_answer(session, email.id, {stranger: ACCEPTED}, NOW, ME)


@pytest.mark.parametrize("status", ["draft", "queued", "sending", "failed", "canceled"])
def test_what_was_not_sent_cannot_be_answered(sessions: Sessions, status: str) -> None:
    with writing(sessions) as session:
        email = email_in(session, status)
        with pytest.raises(Conflict, match=f"is {status}: only an email that was sent"):
            answer(session, email, REJECTED)
        assert event_types(session) == []


def test_an_email_that_does_not_exist_cannot_be_answered(sessions: Sessions) -> None:
    with writing(sessions) as session, pytest.raises(NotFound):
        record_answer(session, 4711, {}, NOW, ME)


def test_an_answer_proves_that_an_email_in_doubt_arrived(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "in_doubt")
        raise_item(session, "email", email.id, "email_in_doubt", NOW)
        answer(session, email, REJECTED)
        row = fresh(session, email)
        assert (row.status, row.sent_at) == ("sent", HANDED_OVER)
        assert event_types(session) == ["email_sent", "response_recorded"]
        assert holders(session, email) == {(None, HANDED_OVER)}
        assert staff_items(session) == set()


def test_a_bounced_email_can_still_be_answered(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        bounce_email(session, email.id, NOW, ME)
        answer(session, email, REJECTED)
        assert statuses(session, *request_ids(session, email)) == ["rejected"]


# the cooling period


@pytest.mark.parametrize(
    ("outcomes", "cools"),
    [
        ([REJECTED], True),
        ([REJECTED, REJECTED], True),
        ([REJECTED, None], True),
        ([REJECTED, ACCEPTED], False),
        ([REJECTED, FOLLOW_UP], False),
        ([ACCEPTED], False),
        ([FOLLOW_UP], False),
        ([None], False),
    ],
)
def test_only_an_email_without_a_yes_starts_the_cooling_period(
    sessions: Sessions, outcomes: list[Outcome | None], cools: bool
) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=len(outcomes))
        answer(session, email, *outcomes)
        assert fresh(session, email).rejected_on == (date(2026, 11, 23) if cools else None)


def test_the_cooling_period_counts_from_the_local_date(sessions: Sessions) -> None:
    late_evening = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    with writing(sessions) as session:
        email = make_sent_email(session, make_therapist(session), [], at=late_evening - timedelta(days=1))
        request = make_request(session, make_therapist(session))
        other = email_about(session, "in_doubt", make_therapist(session), [request])
        answer(session, other, REJECTED, at=NOW, response_date=late_evening)
        assert fresh(session, other).rejected_on == date(2026, 11, 23)
        assert fresh(session, email).rejected_on is None


def test_it_counts_from_the_latest_rejection(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        answer(session, email, REJECTED)
        answer(session, email, None, REJECTED, at=NOW + timedelta(days=3))
        assert fresh(session, email).rejected_on == date(2026, 11, 26)


def test_a_corrected_answer_ends_the_cooling_period(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        answer(session, email, REJECTED)
        answer(session, email, FOLLOW_UP, at=NOW + timedelta(days=1))
        assert fresh(session, email).rejected_on is None


# what follows for requests


def test_an_acceptance_withdraws_the_same_patients_other_requests_everywhere(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        mine, waiting, sent, opened = (make_request(session, make_therapist(session), patient) for _ in range(4))
        email = email_about(session, "sent", make_therapist(session), [mine])
        queued = email_about(session, "queued", make_therapist(session), [waiting])
        asked = email_about(session, "sent", make_therapist(session), [sent])
        answer(session, email, ACCEPTED)
        assert statuses(session, mine.id, waiting.id, sent.id, opened.id) == ["accepted", *["withdrawn"] * 3]
        assert fresh(session, queued).status_reason == "request_withdrawn"
        assert places(session, asked) == {sent.id: (True, False)}
        assert fresh(session, opened).status_reason == "patient_placed"


def test_other_patients_keep_their_places_when_one_is_placed(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        mine, theirs = (make_request(session, make_therapist(session), patient) for _ in range(2))
        stranger = make_request(session, make_therapist(session))
        email = email_about(session, "sent", make_therapist(session), [mine])
        queued = email_about(session, "queued", make_therapist(session), [theirs, stranger])
        answer(session, email, ACCEPTED)
        assert (fresh(session, queued).status, queued.stale) == ("queued", True)
        assert places(session, queued) == {theirs.id: (False, False), stranger.id: (True, True)}


def test_an_answer_takes_the_emails_requests_out_of_its_call(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        call = call_about(session, email.therapist_id, request_ids(session, email)[0], email.id)
        answer(session, email, REJECTED)
        assert session.scalar(select(PhoneCall.status).where(PhoneCall.id == call.id)) == "canceled"


def test_requests_without_an_outcome_stay_in_progress_on_the_staff_list(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        one, two = request_ids(session, email)
        assert answer(session, email, REJECTED).missing == (two,)
        assert statuses(session, one, two) == ["rejected", "in_progress"]
        assert staff_items(session) == {("placement_request", two, "outcome_missing")}


def test_a_later_answer_takes_them_off_the_list(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        answer(session, email, REJECTED)
        answer(session, email, None, ACCEPTED)
        assert staff_items(session) == set()


def test_needs_follow_up_keeps_the_request_in_progress_on_the_staff_list(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        (request,) = request_ids(session, email)
        answer(session, email, FOLLOW_UP)
        assert statuses(session, request) == ["in_progress"]
        assert staff_items(session) == {("placement_request", request, "needs_follow_up")}
        answer(session, email, REJECTED)
        assert staff_items(session) == set()


def test_a_request_withdrawn_by_the_platform_stays_withdrawn_whatever_is_answered(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        (request,) = request_ids(session, email)
        withdraw_requests(session, [request], NOW, "withdrawn_by_platform")
        answer(session, email, ACCEPTED)
        assert statuses(session, request) == ["withdrawn"]
        assert event_types(session) == ["response_recorded"]


def test_a_second_acceptance_of_the_same_patient_is_reported(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        one, two = (make_request(session, make_therapist(session), patient) for _ in range(2))
        first = email_about(session, "sent", make_therapist(session), [one])
        second = email_about(session, "sent", make_therapist(session), [two])
        answer(session, first, ACCEPTED)
        assert answer(session, second, ACCEPTED).placed_elsewhere == (two.id,)
        assert statuses(session, one.id, two.id) == ["accepted", "accepted"]


def test_a_confirmation_keeps_its_request_when_the_acceptance_is_recorded_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email = email_in(session, "sent", therapist=therapist)
        (id_,) = request_ids(session, email)
        answer(session, email, ACCEPTED)
        request = session.get_one(PlacementRequest, id_, populate_existing=True)
        reply = email_about(session, "draft", therapist, [request], replies_to_email_id=email.id)
        request.status = "accepted"
        session.flush()
        queue_email(session, reply.id, NOW, ME, POLICY)
        answer(session, email, ACCEPTED, content="noch einmal: ja")
        assert fresh(session, reply).status == "queued"
        answer(session, email, REJECTED)
        assert fresh(session, reply).status == "canceled"


# corrections


def test_a_wrong_acceptance_gives_the_other_requests_their_places_back(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        mine, sent, opened = (make_request(session, make_therapist(session), patient) for _ in range(3))
        email = email_about(session, "sent", make_therapist(session), [mine])
        also = make_request(session, make_therapist(session))
        asked = email_about(session, "sent", make_therapist(session), [sent, also])
        answer(session, email, ACCEPTED)
        answer(session, email, REJECTED)
        assert statuses(session, mine.id, sent.id, opened.id) == ["rejected", "in_progress", "open"]
        assert places(session, asked)[sent.id] == (True, True)


def test_a_wrong_acceptance_beside_a_right_one_changes_nothing_for_the_patient(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        one, two, three = (make_request(session, make_therapist(session), patient) for _ in range(3))
        first = email_about(session, "sent", make_therapist(session), [one])
        second = email_about(session, "sent", make_therapist(session), [two])
        answer(session, first, ACCEPTED)
        answer(session, second, ACCEPTED)
        answer(session, first, REJECTED)
        assert statuses(session, one.id, two.id, three.id) == ["rejected", "accepted", "withdrawn"]


def test_what_the_correction_reopens_is_on_the_staff_list_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        patient = make_patient(session)
        one, two = (make_request(session, make_therapist(session), patient) for _ in range(2))
        unsure = email_about(session, "sent", make_therapist(session), [two])
        email = email_about(session, "sent", make_therapist(session), [one])
        answer(session, unsure, FOLLOW_UP)
        answer(session, email, ACCEPTED)
        assert staff_items(session) == set()
        answer(session, email, REJECTED)
        assert statuses(session, two.id) == ["in_progress"]
        assert staff_items(session) == {("placement_request", two.id, "needs_follow_up")}


def _state(session: Session, email: Email, ids: list[int]) -> object:
    """All that answers decide, told by position, so that two worlds can be compared."""
    order = {id_: position for position, id_ in enumerate(ids)}
    row = fresh(session, email)
    return (
        statuses(session, *ids),
        (row.status, row.response_received, row.rejected_on),
        {order[id_]: place for id_, place in places(session, email).items()},
        {(order[id_], reason) for kind, id_, reason in staff_items(session) if kind == "placement_request"},
    )


def _world(session: Session, same_patient: list[bool]) -> tuple[Email, Email, list[int]]:
    """An email about as many requests as flags; the first patient has requests in it, in another email, and open."""
    patient, therapist = make_patient(session), make_therapist(session)
    asked = [make_request(session, therapist, patient if same else None) for same in same_patient]
    email = email_about(session, "sent", therapist, asked)
    elsewhere, opened = (make_request(session, make_therapist(session), patient) for _ in range(2))
    other = make_request(session, make_therapist(session))
    second = email_about(session, "sent", make_therapist(session), [elsewhere, other])
    return email, second, [*(request.id for request in asked), elsewhere.id, other.id, opened.id]


_answers = st.lists(st.sampled_from([None, *Outcome]), min_size=3, max_size=3)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    same_patient=st.lists(st.booleans(), min_size=3, max_size=3),
    given_=st.lists(st.tuples(st.booleans(), _answers), min_size=1, max_size=4),
)
def test_corrections_end_where_the_final_answer_alone_would_have(
    sessions: Sessions, same_patient: list[bool], given_: list[tuple[bool, list[Outcome | None]]]
) -> None:
    final: dict[bool, list[Outcome | None]] = {}
    for first, outcomes in given_:
        known = final.get(first, [None] * 3)
        final[first] = [new or old for new, old in zip(outcomes, known, strict=True)]
    with sessions() as session:
        ends = []
        for story in (given_, list(final.items())):
            one, two, ids = _world(session, same_patient)
            for first, outcomes in story:
                answer(session, one if first else two, *outcomes)
            ends.append((_state(session, one, ids), _about_other(session, two)))
            session.rollback()
        assert ends[0] == ends[1]


def _about_other(session: Session, email: Email) -> object:
    row = fresh(session, email)
    return row.response_received, row.rejected_on, list(places(session, email).values())
