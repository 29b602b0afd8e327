"""Values at the edge of what is taken: just right, just too much, and spelled in another way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.bodies import parse
from comms.errors import BadInput
from comms.store.session import Sessions
from tests.api.operations import UNKNOWN
from tests.api.world import BY_ID, THERAPIST, World

CREATE = BY_ID["createEmail"]


@pytest.fixture
def world(client: TestClient, sessions: Sessions) -> World:
    return World(client, sessions)


def create(world: World, **fields: Any) -> Any:
    return world.ask(CREATE, body=CREATE.example | fields)


def test_a_subject_has_three_hundred_characters_and_not_one_more(world: World) -> None:
    assert create(world, subject="ä" * 300).json()["subject"] == "ä" * 300
    refused = create(world, subject="ä" * 301)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.subject")


@pytest.mark.parametrize("field", ["subject", "recipient_name"])
@pytest.mark.parametrize("end", ["\r\nBcc: x@y.example", "\n", "\r", "\u2028", "\x85", "\x0b"])
def test_what_becomes_a_header_is_one_line(world: World, field: str, end: str) -> None:
    refused = create(world, **{field: f"Kanarienvogel{end}"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, f"body.{field}")
    assert "Kanarienvogel" not in refused.text


@pytest.mark.parametrize("address", ["a@x.example, b@x.example", "a@x.example;b@x.example", "A <a@x.example>"])
def test_an_address_is_one_address(world: World, address: str) -> None:
    refused = create(world, recipient_email=address)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.recipient_email")
    assert "x.example" not in refused.text


@pytest.mark.parametrize("address", ["praxis@müller-köln.example", "jürgen@praxis.example", "用户@例子.example"])
def test_addresses_of_every_script_are_taken(world: World, address: str) -> None:
    assert create(world, recipient_email=address).json()["recipient_email"] == address


def test_an_id_of_ten_to_the_twelfth_is_one_like_any_other(world: World) -> None:
    assert create(world, therapist_id=10**12, placement_request_ids=[]).status_code == 201
    assert world.client.get(f"/api/emails?therapist_id={10**12}").headers["x-total-count"] == "1"
    assert world.client.get(f"/api/emails?therapist_id={UNKNOWN}").json() == []


def test_an_instant_is_the_same_in_every_offset(world: World) -> None:
    email, now = world.email("sent"), datetime.now(UTC).replace(microsecond=0)
    for hours in (0, 1, 2, -9):
        at = now.astimezone(timezone(timedelta(hours=hours))).isoformat()
        answer = world.ask(BY_ID["changeEmail"], email, body={"response_received": True, "response_date": at})
        assert datetime.fromisoformat(answer.json()["response_date"]) == now


def test_a_number_without_a_fraction_is_an_integer_however_it_is_written(world: World) -> None:
    text = json.dumps(CREATE.example).replace(f": {THERAPIST},", f": {THERAPIST}.0,").replace("301", "3.01e2")
    headers = {"Content-Type": "application/json"}
    answer = world.client.post(CREATE.path, content=text, headers=headers)
    assert answer.json()["placement_request_ids"] == [301, 302]


@pytest.mark.parametrize(("text", "value"), [(b"7.0", 7), (b"1e3", 1000), (b"-0.0", 0), (b"1.5", 1.5), (b"7", 7)])
def test_numbers_are_read_as_json_schema_reads_them(text: bytes, value: object) -> None:
    assert (parse(text), type(parse(text))) == (value, type(value))


@pytest.mark.parametrize("text", [b"9007199254740993.0", b"1e17", b"1e300"])
def test_a_number_that_a_float_cannot_hold_is_no_integer(text: bytes) -> None:
    assert isinstance(parse(text), float)


@pytest.mark.parametrize(
    "text", [b'{"a": 1, "a": 1}', b"NaN", b"[1e999]", b"\xff", "{}".encode("utf-16"), b"[" * 10**6]
)
def test_what_parsers_understand_in_different_ways_is_refused(text: bytes) -> None:
    with pytest.raises(BadInput):
        parse(text)
