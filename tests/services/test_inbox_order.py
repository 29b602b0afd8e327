"""However events arrive, the end is as if they had come in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comms.ports import IncomingMessage
from comms.services.inbox import handle_events, receive
from comms.services.inbox.order import Due, Word, pick
from comms.services.inbox.told import Told
from comms.store.models import PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, number
from tests.services.messages import event, event_bytes, message

History = list[tuple[str, dict[str, Any]]]
QUIET = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
STATES = {"offen": "open", "abgelehnt": "rejected", "angenommen": "accepted"}

statuses = st.lists(st.sampled_from([*STATES, "in_bearbeitung"]), max_size=5)
facts = st.fixed_dictionaries(
    {},
    optional={
        "nachname": st.sampled_from(["Müller", "Schmidt"]),
        "ort": st.sampled_from(["Berlin", "Kiel", None]),
        "status": st.sampled_from(["aktiv", "gesperrt", "inaktiv", None]),
    },
)
types = st.sampled_from(["therapist.updated", "therapist.blocked", "therapist.unblocked"])
therapist_histories = st.lists(st.tuples(types, facts), max_size=4)


def arrive(sessions: Sessions, data: st.DataObject, happened: History) -> None:
    """Let events arrive in any order, some of them again, and handle them in between at any time."""
    stored = [
        event_bytes(type_, at=NOW + timedelta(minutes=minute), **payload)
        for minute, (type_, payload) in enumerate(happened)
    ]
    repeats = data.draw(st.lists(st.sampled_from(stored), max_size=3))
    for poll in polls(data, data.draw(st.permutations(stored + repeats))):
        with writing(sessions) as session:
            receive(session, poll, NOW)
        handle_events(sessions)


def polls(data: st.DataObject, arriving: Iterable[bytes]) -> list[list[IncomingMessage]]:
    found: list[list[IncomingMessage]] = [[]]
    for value in arriving:
        found[-1].append(message(value))
        if data.draw(st.booleans()):
            found.append([])
    return found


@pytest.mark.slow
@QUIET
@given(statuses, st.data())
def test_a_request_stands_where_the_last_of_its_statuses_left_it(
    sessions: Sessions, told: list[str], data: st.DataObject
) -> None:
    id_ = number()
    created = ("match.created", {"match_id": id_, "patient_id": number(), "therapist_id": number()})
    changes = [("match.status_changed", {"match_id": id_, "new_status": status}) for status in told]
    arrive(sessions, data, [created, *changes])
    expected = ["open", *(STATES[status] for status in told if status in STATES)][-1]
    with reading(sessions) as session:
        assert session.get_one(PlacementRequest, id_).status == expected


@pytest.mark.slow
@QUIET
@given(therapist_histories, st.data())
def test_a_therapist_is_what_the_last_word_about_each_fact_says(
    sessions: Sessions, told: History, data: st.DataObject
) -> None:
    id_ = number()
    first = ("therapist.created", {"nachname": "Weiß", "ort": "Bonn", "status": "aktiv"})
    history = [first, *told]
    arrive(sessions, data, [(type_, {"therapist_id": id_, "therapist_data": given}) for type_, given in history])
    with reading(sessions) as session:
        found = session.get_one(Therapist, id_)
    assert (found.last_name, found.city, found.status) == expected_therapist(history)


def expected_therapist(history: History) -> tuple[str, str | None, str]:
    """What each event says, one after the other; null clears, but not a status."""
    last: dict[str, Any] = {}
    for type_, facts_given in history:
        last |= {name: value for name, value in facts_given.items() if name != "status" or value}
        last |= {"therapist.blocked": {"status": "gesperrt"}, "therapist.unblocked": {"status": "aktiv"}}.get(type_, {})
    states = {"aktiv": "active", "gesperrt": "blocked", "inaktiv": "inactive"}
    return last["nachname"], last["ort"], states[last["status"]]


def test_what_came_late_and_changed_nothing_still_stands_over_what_is_older(sessions: Sessions) -> None:
    id_ = number()

    def say(minute: int, **facts: str) -> None:
        told = event("therapist.updated", minutes=minute, therapist_id=id_, therapist_data=facts)
        with writing(sessions) as session:
            receive(session, [told], NOW)

    say(2, plz="24103")
    handle_events(sessions)
    say(1, ort="Kiel")  # older than what came before it, and without a name nothing is written down
    assert handle_events(sessions).older == 1
    say(0, nachname="Weiß", ort="Bonn", status="aktiv")
    handle_events(sessions)
    with reading(sessions) as session:
        found = session.get_one(Therapist, id_)
    assert (found.last_name, found.city, found.postal_code) == ("Weiß", "Kiel", "24103")


def test_those_that_go_together_are_of_the_oldest_ones_type_and_first_of_their_subject() -> None:
    due = [
        Due(1, "request:1", "match.created"),
        Due(2, "request:1", "match.status_changed"),
        Due(3, "patient:1", "patient.updated"),
        Due(4, "request:2", "match.created"),
        Due(5, "request:2", "match.created"),
        Due(6, "patient:1", "match.created"),
    ]
    assert pick(due, 10) == [1, 4]
    assert pick(due, 1) == [1]


@pytest.mark.parametrize(
    ("event_type", "later", "out_of_date"),
    [
        ("match.status_changed", ("match.status_changed", {"new_status": "offen"}), True),
        ("match.status_changed", ("match.status_changed", {"new_status": "in_bearbeitung"}), False),
        ("match.status_changed", ("match.created", {}), False),
        ("match.created", ("match.created", {}), True),
        ("patient.deleted", ("patient.updated", {"patient_data": {}}), False),
    ],
)
def test_only_a_later_word_of_the_same_kind_makes_an_event_out_of_date(
    event_type: str, later: tuple[str, dict[str, Any]], out_of_date: bool
) -> None:
    assert Told(1, event_type, {"new_status": "abgelehnt"}, [Word(*later)]).out_of_date is out_of_date
