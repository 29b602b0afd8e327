"""What a message is: an event, one that means nothing here, or poison with its reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.services.inbox.reading import LARGEST, Event, Poison, Unknown, read_message
from tests.factories import NOW
from tests.services.messages import event, event_bytes, message

MATCH = {"match_id": 7, "patient_id": 8, "therapist_id": 9}


def said_at(timestamp: str) -> bytes:
    return json.dumps({"eventType": "match.created", "timestamp": timestamp, "payload": MATCH}).encode()


def test_an_event_has_its_subject_and_its_time_in_utc() -> None:
    found = read_message(event("match.created", event_id="e-1", **MATCH))
    assert found == Event(
        "e-1", "match.created", "request:7", {"match_id": 7, "patient_id": 8, "therapist_id": 9, "match_data": {}}, NOW
    )


def test_without_an_id_the_coordinates_name_it() -> None:
    sent = event("patient.deleted", event_id=None, patient_id=3)
    found = read_message(sent)
    assert isinstance(found, Event)
    assert found.event_id == f"matching-events:0:{sent.offset}"


def test_a_type_that_means_nothing_here_is_no_fault() -> None:
    assert read_message(event("invoice.paid")) == Unknown("invoice.paid")


def test_fields_that_nobody_knows_are_the_platforms_business() -> None:
    found = read_message(event("match.created", **MATCH, mood="good"))
    assert isinstance(found, Event)
    assert "mood" not in found.payload


@pytest.mark.parametrize("id_", [7, "7"])
def test_ids_may_be_written_as_text(id_: object) -> None:
    assert isinstance(read_message(event("patient.deleted", patient_id=id_)), Event)


@pytest.mark.parametrize(
    ("value", "reason", "place"),
    [
        (None, "no_value", None),
        (b"", "not_json", None),
        (b"{", "not_json", None),
        (b"null", "not_an_object", None),
        (b"[]", "not_an_object", None),
        (b'"match.created"', "not_an_object", None),
        (b"\xff\xfe{}", "not_utf8", None),
        (b'{"eventType": NaN}', "not_json", None),
        (b"[" * 100_000, "not_json", None),
        (b'{"a": ' + b"[" * 60 + b"]" * 60 + b"}", "too_deep", None),
        (b'{"eventType": "x\\u0000"}', "holds_nul", None),
        (b'{"eventType": "x\\ud800"}', "not_utf8", None),
        (b'"' + b"x" * (2 * LARGEST) + b'"', "too_large", None),
        (b"{}", "envelope_invalid", "eventType"),
        (b'{"eventType": 7, "payload": {}}', "envelope_invalid", "eventType"),
        (b'{"eventType": "match.created"}', "envelope_invalid", "payload"),
        (b'{"eventType": "match.created", "payload": null}', "envelope_invalid", "payload"),
        (b'{"eventType": "match.created", "payload": {}, "version": "2.0"}', "unknown_version", "version"),
        (b'{"eventType": "match.created", "payload": {}, "version": 1}', "unknown_version", "version"),
        (b'{"eventType": "match.created", "payload": {}, "timestamp": "soon"}', "envelope_invalid", "timestamp"),
        (b'{"eventType": "match.created", "payload": {}, "timestamp": 1}', "envelope_invalid", "timestamp"),
        (said_at("0001-01-01T00:00:00+14:00"), "envelope_invalid", "timestamp"),
        (said_at("9999-12-31T23:59:59-05:00"), "envelope_invalid", "timestamp"),
        (said_at("2100-01-01"), "envelope_invalid", "timestamp"),
        (event_bytes("match.created", match_id=7, patient_id=8), "payload_invalid", "payload.therapist_id"),
        (event_bytes("match.created", **{**MATCH, "match_id": 0}), "payload_invalid", "payload.match_id"),
        (event_bytes("match.created", **{**MATCH, "match_id": True}), "payload_invalid", "payload.match_id"),
        (event_bytes("match.created", **{**MATCH, "match_id": 10**30}), "payload_invalid", "payload.match_id"),
        (event_bytes("match.created", **{**MATCH, "match_id": 1.5}), "payload_invalid", "payload.match_id"),
        (event_bytes("match.created", **MATCH, match_data=[]), "payload_invalid", "payload.match_data"),
        (event_bytes("match.status_changed", match_id=7, new_status="open"), "payload_invalid", "payload.new_status"),
        (event_bytes("therapist.updated", therapist_id=None), "payload_invalid", "payload.therapist_id"),
    ],
)
def test_poison_is_named_by_a_code_and_a_place(value: bytes | None, reason: str, place: str | None) -> None:
    found = read_message(message(value))
    assert isinstance(found, Poison)
    assert (found.reason, found.place) == (reason, place)


def test_poison_keeps_what_could_be_read_of_its_envelope() -> None:
    found = read_message(event("match.created", event_id="e-9"))
    assert isinstance(found, Poison)
    assert (found.event_id, found.event_type) == ("e-9", "match.created")


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["eventType", "payload", "version", "match_id", "eventId", "timestamp"]), inner, max_size=4), max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_comes_is_read_without_a_raise(value: bytes) -> None:
    assert isinstance(read_message(message(value)), Event | Unknown | Poison)
