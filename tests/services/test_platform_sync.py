"""What comes over from the platform's services, and what a service that is slow, wrong or away costs: only its part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import func, select

from comms.gateways.platform import HttpDirectory
from comms.rules.batching import Decision
from comms.rules.policy import ContactPolicy
from comms.services.planning import plan_next_batch
from comms.services.platform import fetch_facts_of_requests, fetch_missing_facts, sync_platform
from comms.services.platform.pulling import MAX_PAGES
from comms.store.models import AuditEntry, Patient, PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_patient, make_request, make_therapist
from tests.gateways.platform import HASTY, settings
from tests.servers.platform import (
    LIST,
    PATIENT,
    THERAPIST,
    Answer,
    Asked,
    PlatformServer,
    as_json,
    german_patient,
    german_request,
    german_therapist,
)
from tests.services.bringing import one
from tests.services.platform import DAY, column, sync

HOUR = timedelta(hours=1)


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    """Therapist 101 is asked for patients 201 and 202."""
    with PlatformServer() as running:
        running.therapists = {101: german_therapist(101)}
        running.patients = {201: german_patient(201), 202: german_patient(202)}
        running.requests = [german_request(301, 201, 101), german_request(302, 202, 101)]
        yield running


def plan(sessions: Sessions) -> list[Decision]:
    with reading(sessions) as session:
        return plan_next_batch(session, NOW, ContactPolicy())


def ids(sessions: Sessions, model: Any, *where: Any) -> list[int]:
    return column(sessions, model.id, *where)


def test_open_requests_and_the_facts_they_need_come_over_in_our_words(
    sessions: Sessions, server: PlatformServer
) -> None:
    counts = sync(sessions, server)

    assert counts == {
        "pages": 1, "requests": 2, "requests_new": 2, "requests_changed": 0,
        "therapists_learned": 1, "patients_learned": 2, "faults": {},
    }  # fmt: skip
    therapist, patient = one(sessions, Therapist, 101), one(sessions, Patient, 201)
    assert (therapist.last_name, therapist.salutation, therapist.land) == ("Müller", "frau", None)
    assert therapist.phone_availability == {"monday": [["09:00", "12:00"]]}
    assert (patient.registered_on, patient.earlier_therapy) == (date(2026, 3, 2), True)
    assert (therapist.learned_at, patient.learned_at) == (NOW, NOW)
    (decision,) = plan(sessions)
    assert decision.verdict.allowed


def test_the_second_time_nothing_changes_and_fresh_facts_are_not_asked_for(
    sessions: Sessions, server: PlatformServer
) -> None:
    sync(sessions, server)
    versions = [one(sessions, model, id_).version for model, id_ in ((Therapist, 101), (PlacementRequest, 301))]
    server.asked.clear()

    counts = sync(sessions, server, NOW + 23 * HOUR)

    assert (counts["requests"], counts["requests_new"], counts["requests_changed"]) == (2, 0, 0)
    assert [asked.what for asked in server.asked] == [LIST]
    assert [one(sessions, model, id_).version for model, id_ in ((Therapist, 101), (PlacementRequest, 301))] == versions


def test_old_facts_are_asked_for_anew_and_their_age_is_that_of_the_last_answer(
    sessions: Sessions, server: PlatformServer
) -> None:
    sync(sessions, server)
    server.therapists[101] |= {"email": "neu@therapie.example"}

    counts = sync(sessions, server, NOW + DAY)

    assert (counts["therapists_learned"], counts["patients_learned"]) == (1, 2)
    therapist, patient = one(sessions, Therapist, 101), one(sessions, Patient, 201)
    assert therapist.email == "neu@therapie.example"
    assert therapist.learned_at == patient.learned_at == NOW + DAY
    assert (therapist.version, patient.version) == (3, 2)  # what is the same as before is no change


def test_who_is_named_by_closed_requests_only_is_not_asked_for(sessions: Sessions, server: PlatformServer) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, id=7, learned_at=NOW - 9 * DAY)
        make_request(session, therapist, status="rejected", status_reason="x", closed_at=NOW)
    server.requests = []

    assert sync(sessions, server)["therapists_learned"] == 0
    assert server.count(THERAPIST) == 0


def test_a_deleted_patient_is_not_asked_for(sessions: Sessions, server: PlatformServer) -> None:
    with writing(sessions) as session:
        patient = make_patient(session, id=201, facts_missing=True, deleted_at=NOW)
        make_request(session, make_therapist(session, id=101), patient)
    server.requests = []

    sync(sessions, server)

    assert server.count(PATIENT) == 0


def test_what_is_missing_from_the_list_is_not_withdrawn(sessions: Sessions, server: PlatformServer) -> None:
    sync(sessions, server)
    server.requests.pop()

    sync(sessions, server, NOW + HOUR)

    assert one(sessions, PlacementRequest, 302).status == "open"


def test_a_request_that_was_closed_while_pages_were_read_stays_closed(
    sessions: Sessions, server: PlatformServer
) -> None:
    sync(sessions, server)

    def reject_meanwhile(_asked: Asked) -> None:
        with writing(sessions) as session:
            request = session.get_one(PlacementRequest, 301)
            request.status, request.status_reason = "rejected", "rejected_by_platform"
            request.closed_at = NOW + HOUR + timedelta(seconds=1)

    server.script[LIST] = reject_meanwhile
    sync(sessions, server, NOW + HOUR)

    assert one(sessions, PlacementRequest, 301).status == "rejected"


def test_what_was_closed_before_and_is_open_again_there_is_open_again_here(
    sessions: Sessions, server: PlatformServer
) -> None:
    sync(sessions, server)
    with writing(sessions) as session:
        request = session.get_one(PlacementRequest, 301)
        request.status, request.status_reason = "rejected", "rejected_by_platform"
        request.closed_at = NOW + timedelta(minutes=5)

    assert sync(sessions, server, NOW + HOUR)["requests_changed"] == 1
    assert one(sessions, PlacementRequest, 301).status == "open"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(500), "status_500"),
        (Answer(200, b'[{"id": 301'), "not_json"),
        (Answer(200, b"[]", silence=60), "timeout"),
        (Answer(200, b"[" + b" " * 80, trickle=0.1), "timeout"),
        (Answer(302, headers={"Location": "http://127.0.0.1:9/"}), "redirect"),
        (as_json({"data": []}), "wrong_shape"),
    ],
)
def test_a_list_that_cannot_be_had_costs_new_requests_and_nothing_else(
    sessions: Sessions, server: PlatformServer, answer: Answer, fault: str
) -> None:
    with writing(sessions) as session:
        make_request(session, make_therapist(session, id=101, learned_at=NOW - 2 * DAY))
    server.script[LIST] = answer

    counts = sync(sessions, server, **HASTY)

    assert counts["faults"][f"matching_{fault}"] == 1
    assert (counts["requests"], counts["therapists_learned"]) == (0, 1)


@pytest.mark.parametrize("answer", [Answer(503), Answer(200, b"{}", silence=60), Answer(200, b"{"), Answer(404)])
def test_a_service_without_answers_leaves_its_part_missing_and_the_next_run_fills_it(
    sessions: Sessions, server: PlatformServer, answer: Answer
) -> None:
    server.script[THERAPIST] = answer

    counts = sync(sessions, server, **HASTY)

    assert (counts["requests_new"], counts["patients_learned"], counts["therapists_learned"]) == (2, 2, 0)
    assert [decision.verdict.reason for decision in plan(sessions)] == ["facts_missing"]
    server.script.clear()
    assert sync(sessions, server, NOW + timedelta(minutes=1))["therapists_learned"] == 1
    assert plan(sessions)[0].verdict.allowed


def test_a_service_that_is_away_leaves_known_facts_as_they_are(sessions: Sessions, server: PlatformServer) -> None:
    sync(sessions, server)
    server.script[THERAPIST] = as_json(dict.fromkeys(german_therapist(1)) | {"id": 0})

    counts = sync(sessions, server, NOW + 2 * DAY)

    assert counts["faults"] == {"therapist_unknown": 1}
    therapist = one(sessions, Therapist, 101)
    assert (therapist.email, therapist.learned_at) == ("praxis101@therapie.example", NOW)


def test_nulls_and_zeros_for_an_unknown_patient_are_no_facts(sessions: Sessions, server: PlatformServer) -> None:
    nobody = dict.fromkeys(german_patient(1)) | {"id": 0, "offen_fuer_gruppentherapie": False}
    server.script[PATIENT] = lambda asked: as_json(nobody) if asked.id == 202 else None

    counts = sync(sessions, server)

    assert counts["faults"] == {"patient_unknown": 1}
    assert ids(sessions, Patient, Patient.facts_missing) == [202]
    assert [fate.reason for fate in plan(sessions)[0].fates] == [None, "facts_missing"]


def test_values_of_the_wrong_kind_cost_themselves_and_refused_people_stay_missing(
    sessions: Sessions, server: PlatformServer
) -> None:
    server.therapists[101] |= {"telefon": ["x"], "titel": {"a": 1}}
    server.therapists[102] = german_therapist(102, status=7)
    server.patients[201] = german_patient(201, geburtsdatum=19880417, diagnose="\ud800")
    server.requests += [
        german_request(303, 201, 102), german_request(304, 0, 101), german_request(305, 201, 101, priority="viel"),
        {"id": 306}, {"id": [1]}, None, 7, "x", [], german_request(2**70, 201, 101),
    ]  # fmt: skip

    counts = sync(sessions, server)

    assert ids(sessions, PlacementRequest) == [301, 302, 303, 305]
    assert ids(sessions, Therapist, Therapist.facts_missing) == [102]
    assert one(sessions, Therapist, 101).phone is None
    assert one(sessions, Patient, 201).diagnosis is None
    assert counts["faults"]["therapist_unknown_status"] == 1
    assert counts["faults"]["matching_not_an_object"] == 4
    assert (counts["requests"], counts["requests_new"]) == (12, 4)


def test_a_request_that_comes_on_two_pages_is_one_request(sessions: Sessions, server: PlatformServer) -> None:
    """A new request on top shifts the last row of the first page onto the second one."""
    server.requests = [german_request(number, 201, 101) for number in range(1001, 1131)]

    def shift(asked: Asked) -> None:
        if asked.query["page"] == "2":
            server.requests.insert(0, german_request(1000, 202, 101))

    server.script[LIST] = shift

    counts = sync(sessions, server)

    assert (counts["requests"], counts["requests_new"], counts["faults"]) == (131, 130, {})
    assert sync(sessions, server, NOW + HOUR)["requests_new"] == 1


def test_pages_before_a_fault_come_in(sessions: Sessions, server: PlatformServer) -> None:
    server.requests = [german_request(number, 201, 101) for number in range(1001, 1251)]
    server.script[LIST] = lambda asked: Answer(500) if asked.query["page"] == "3" else None

    counts = sync(sessions, server)

    assert (counts["pages"], counts["requests_new"], counts["faults"]) == (2, 200, {"matching_status_500": 1})


def test_a_list_that_repeats_itself_ends(sessions: Sessions, server: PlatformServer) -> None:
    page = [german_request(number, 201, 101) for number in range(1001, 1101)]
    server.script[LIST] = as_json(page)

    counts = sync(sessions, server)

    assert (counts["pages"], counts["requests_new"], counts["faults"]) == (2, 100, {"matching_pages_repeat": 1})


def test_a_list_without_end_ends(sessions: Sessions, server: PlatformServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comms.services.platform.pulling.MAX_PAGES", 5)
    assert MAX_PAGES > 100

    def ever_more(asked: Asked) -> Answer:
        first = 1000 * int(asked.query["page"])
        return as_json([german_request(number, 201, 101) for number in range(first, first + 100)])

    server.script[LIST] = ever_more

    counts = sync(sessions, server)

    assert (counts["pages"], counts["requests_new"], counts["faults"]) == (5, 500, {"matching_too_many_pages": 1})


@pytest.mark.slow
def test_ten_thousand_requests_on_a_hundred_pages_come_over_in_seconds(
    sessions: Sessions, server: PlatformServer
) -> None:
    server.therapists = {id_: german_therapist(id_) for id_ in range(1, 101)}
    server.patients = {id_: german_patient(id_) for id_ in range(1, 501)}
    server.requests = [german_request(id_, id_ % 500 + 1, id_ % 100 + 1) for id_ in range(1, 10_001)]
    begun = monotonic()

    counts = sync(sessions, server)

    assert monotonic() - begun < 30  # some 3 s on an idle machine
    assert (counts["pages"], counts["requests_new"], counts["faults"]) == (101, 10_000, {})
    assert (counts["therapists_learned"], counts["patients_learned"]) == (100, 500)


def test_facts_are_fetched_for_those_who_are_missing_and_for_nobody_else(
    sessions: Sessions, server: PlatformServer
) -> None:
    with writing(sessions) as session:
        make_therapist(session, id=101, learned_at=NOW - 9 * DAY)
        make_patient(session, id=202, facts_missing=True)
    with HttpDirectory(settings(server.url)) as directory:
        counts = fetch_missing_facts(sessions, directory, [101, 104], [201, 201, 202], NOW)

    assert counts == {"therapists_learned": 0, "patients_learned": 2, "faults": {"therapist_unknown": 1}}
    asked = sorted((asked.what, asked.id) for asked in server.asked)
    assert asked == [(PATIENT, 201), (PATIENT, 202), (THERAPIST, 104)]
    assert ids(sessions, Patient) == [201, 202]


def test_new_requests_of_events_get_the_facts_of_whom_they_name(sessions: Sessions, server: PlatformServer) -> None:
    with writing(sessions) as session:
        stub = make_therapist(session, id=101, facts_missing=True, email=None, mailbox=None)
        make_request(session, stub, make_patient(session, id=201, facts_missing=True), id=301)
        make_request(session, stub, id=302, patient_id=None)
    with HttpDirectory(settings(server.url)) as directory:
        counts = fetch_facts_of_requests(sessions, directory, [301, 302, 999], NOW)

    assert counts == {"therapists_learned": 1, "patients_learned": 1, "faults": {}}
    assert one(sessions, Therapist, 101).email == "praxis101@therapie.example"


def test_a_service_that_is_not_configured_costs_nothing_and_is_no_fault(
    sessions: Sessions, server: PlatformServer
) -> None:
    counts = sync(sessions, server, patient_url="", therapist_url="")

    assert (counts["requests_new"], counts["faults"]) == (2, {})
    assert [asked.what for asked in server.asked] == [LIST]
    assert sync(sessions, server, matching_url="")["pages"] == 0


def test_whatever_ends_a_run_in_the_middle_the_next_one_completes_it(
    sessions: Sessions, server: PlatformServer
) -> None:
    class Killed(HttpDirectory):
        def facts(self, *_arguments: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Killed(settings(server.url)) as directory:
        sync_platform(sessions, directory, NOW, DAY)
    assert ids(sessions, Therapist, Therapist.facts_missing) == [101]

    assert sync(sessions, server)["requests_new"] == 0
    assert plan(sessions)[0].verdict.allowed
    assert ids(sessions, PlacementRequest) == [301, 302]


def test_who_brought_it_in_is_on_record(sessions: Sessions, server: PlatformServer) -> None:
    sync(sessions, server)

    with reading(sessions) as session:
        by = session.execute(select(AuditEntry.actor, func.count()).group_by(AuditEntry.actor)).all()
    assert [tuple(row) for row in by] == [("platform", 5)]
