"""The classic mistakes, at every operation of OpenAPI where they can be made; on both databases where one is asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comms.store.database import upgrade
from comms.store.engines import make_engine
from tests.api.doors import Asker, asker, is_problem
from tests.api.operations import GUARDED, LISTS, UNKNOWN, WITH_BODY, WITH_ID, Operation, named, resolved
from tests.servers.postgres import database

CANARY = "Kanarienvogel-4711"
"""What was sent stands in no answer."""

each_body = pytest.mark.parametrize("operation", WITH_BODY, ids=named)
each_list = pytest.mark.parametrize("operation", LISTS, ids=named)
each_bare_list = pytest.mark.parametrize("operation", [o for o in LISTS if not o.ids], ids=named)
each_id = pytest.mark.parametrize("operation", WITH_ID, ids=named)


@pytest.fixture(scope="module")
def asked(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """For what is refused before a database is asked."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("mistakes") / "comms.db")
    with asker(make_engine(f"sqlite:///{path}")) as found:
        yield found


@pytest.fixture(scope="module")
def asked_postgresql(postgres: str) -> Iterator[Asker]:
    with database(postgres) as url:
        engine = make_engine(url)
        upgrade(engine)
        with asker(engine) as found:
            yield found
        engine.dispose()


@pytest.fixture(params=["asked", "asked_postgresql"], ids=["sqlite", "postgresql"])
def asked_each(request: pytest.FixtureRequest) -> Asker:
    """For what a database has to answer: each in turn."""
    found: Asker = request.getfixturevalue(request.param)
    return found


@each_id
def test_an_unknown_id_is_not_found(asked_each: Asker, operation: Operation) -> None:
    if operation.method == "PUT" and "404" not in operation.words["responses"]:
        pytest.fail("an upsert belongs into UPSERTS") if operation.id not in UPSERTS else None
        return
    body = json.dumps(operation.example).encode() if operation.reads_body else b""
    assert is_problem(asked_each.send_bytes(operation, body), 404)


UPSERTS = {"putTherapist", "putPatient", "putPlacementRequest"}
"""PUT makes these."""


NO_IDS = (0, -1, 10**19, 10**30, "abc", "1.0", "1_0", "+1", "%201", "%00", "1%0A", "null", "true", "%D9%A1", "0x1")


@each_id
def test_what_is_no_id_is_said_to_be_none(asked: Asker, operation: Operation) -> None:
    body = json.dumps(operation.example).encode() if operation.reads_body else b""
    places = [f"path.{name}" for name in operation.ids]
    assert all(is_problem(asked.send_bytes(operation, body, id_), 422, *places) for id_ in NO_IDS)


WRONG: dict[str, list[Any]] = {
    "boolean": ["false", "true", "", 0, 1, "no", [], {}],
    "integer": ["7", "", 1.5, True, 10**30, -(10**30), 10**400, [1], {}, "1e3"],
    "string": [7, True, [], {}, "\0", "a\0b", "\x1b[31m", "\x7f", "\ud800", "x" * 200_000],
    "date-time": [
        "",
        "2026-11-23",
        "2027-01-31T08:30:00",
        "2027-01-31 08:30",
        "tomorrow",
        1795426200,
        "0000-00-00T00:00Z",
    ],
    "date": ["", "23.11.2026", "2026-02-30", "2026-11-23T00:00:00Z", 20261123, "0000-00-00", "２０２６-11-23"],
    "time": ["", "9:30", "24:00", "09:60", "09:30:00", "09:30+01:00", 930],
    "enum": ["", "Flying", "null", 0, True, []],
    "array": ["1", 1, {}, [None], [""], "[1]", {"0": 1}],
    "object": ["", "x", 1, [], True],
}
"""By kind of field: what it never is. A null is tried where the schema knows none."""


def kind_of(schema: dict[str, Any]) -> str:
    schema = resolved(schema)
    if "enum" in schema or "const" in schema:
        return "enum"
    return str(schema.get("format") if schema.get("format") in WRONG else schema["type"])


def wrong_values(schema: dict[str, Any]) -> list[Any]:
    """Values that none of the kinds of this field takes."""
    schemas = schema.get("anyOf") or schema.get("oneOf") or [schema]
    kinds = [kind_of(one) for one in schemas]
    useful = [kind for kind in kinds if kind != "null"]
    none = [] if "null" in kinds else [None]
    return [*WRONG[useful[0]], *none] if len(useful) == 1 else none


@each_body
def test_a_value_of_the_wrong_kind_is_refused_and_never_repeated(asked: Asker, operation: Operation) -> None:
    for name, schema in operation.body["properties"].items():
        for value in wrong_values(schema):
            answer = asked.send(operation, operation.example | {name: value})
            assert is_problem(answer, 422), (name, value)
            assert all(error["field"].startswith(f"body.{name}") for error in answer.json()["errors"]), (name, value)
            assert not (isinstance(value, str) and len(value) > 10 and value in answer.text)


@each_body
def test_what_is_missing_is_named(asked: Asker, operation: Operation) -> None:
    for name in operation.body.get("required", []):
        body = {key: value for key, value in operation.example.items() if key != name}
        assert is_problem(asked.send(operation, body), 422, f"body.{name}")


@each_body
def test_a_field_that_nobody_knows_is_refused(asked: Asker, operation: Operation) -> None:
    assert is_problem(asked.send(operation, operation.example | {"colour": CANARY}), 422, "body.colour")
    for name in (f"{CANARY} <{CANARY}>", "\ud800", "\0", "", "x" * 5000, "Müller"):
        answer = asked.send(operation, operation.example | {name: 1})
        assert is_problem(answer, 422)
        assert {error["field"] for error in answer.json()["errors"]} <= {"body.?", "body"}
        assert CANARY not in answer.text


NOT_USABLE: dict[str, bytes] = {
    "no JSON": b"{",
    "words": CANARY.encode(),
    "a list": b"[]",
    "a word": f'"{CANARY}"'.encode(),
    "a number": b"7",
    "true": b"true",
    "NaN": b"NaN",
    "Infinity inside": b'{"x": -Infinity}',
    "1e999": b'{"x": 1e999}',
    "nested deeply": b"[" * 200_000,
    "nested deeply and well": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "invalid UTF-8": b'{"x": "\xff\xfe"}',
    "UTF-16": '{"x": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "5000 digits": b'{"x": ' + b"9" * 5000 + b"}",
    "a lone surrogate": b'{"\\ud800": "\\udfff"}',
    "a field twice": b'{"x": 1, "x": 1}',
    "a field twice within": b'{"x": [{"y": 1, "y": 2}]}',
    "NUL": b"\0",
    "one quote": b"'",
    "two documents": b"{}{}",
    "a comment": b"{} // x",
}


@each_body
def test_a_body_that_is_none_is_refused(asked: Asker, operation: Operation) -> None:
    for name, body in NOT_USABLE.items():
        answer = asked.send_bytes(operation, body)
        assert is_problem(answer, 422), name
        assert all(error["field"].startswith("body") for error in answer.json()["errors"])
        assert CANARY not in answer.text


@each_body
def test_ten_megabytes_are_too_large(asked: Asker, operation: Operation) -> None:
    assert is_problem(asked.send_bytes(operation, b" " * 10_000_000), 413)


MEDIA_TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", "")


@each_body
def test_another_media_type_is_refused(asked: Asker, operation: Operation) -> None:
    body = json.dumps(operation.example).encode()
    assert all(is_problem(asked.send_bytes(operation, body, **{"Content-Type": kind}), 415) for kind in MEDIA_TYPES)


@pytest.mark.parametrize("operation", [o for o in GUARDED if not o.reads_body], ids=named)
def test_a_body_where_none_is_read_is_not_overlooked(asked: Asker, operation: Operation) -> None:
    answer = asked.send(operation, {"status": CANARY})
    assert is_problem(answer, 422, "body")
    assert CANARY not in answer.text


@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_a_parameter_that_nobody_knows_is_refused(asked: Asker, operation: Operation) -> None:
    answer = asked.client.request(operation.method, f"{operation.url()}?colour=1&{CANARY}%20%3C=2")
    assert is_problem(answer, 422, "query.colour", "query.?")
    assert CANARY not in answer.text


NO_PAGES: dict[str, tuple[str, ...]] = {
    "page": ("0", "-1", "", "1.0", "1e3", "10000000000000", str(10**30), "%201", "1&page=2"),
    "limit": ("0", "101", "-1", "", "x", "20&limit=20"),
    "cursor": ("", "x", "b2xkZXI6MQ==", CANARY, "%00", "%ff", "%F0%9F%98%80", "x" * 5000),
}


@each_list
def test_what_is_no_page_is_refused(asked: Asker, operation: Operation) -> None:
    for name, values in NO_PAGES.items():
        for value in values:
            answer = asked.client.get(f"{operation.url()}?{name}={value}")
            assert is_problem(answer, 422, f"query.{name}"), (name, value)
            assert CANARY not in answer.text


@each_bare_list
def test_a_page_far_behind_the_end_is_empty(asked_each: Asker, operation: Operation) -> None:
    for page in (2, 99_999_999_999, 10**12):
        assert (answer := asked_each.get(operation, page=page, limit=100)).status_code == 200
        assert answer.json() == []


BAD_FILTERS: dict[str, list[str]] = {
    "boolean": ["", "False", "0", "1", "yes", "null", "on"],
    "integer": ["", "abc", "1.0", "null", "0", "-1", str(10**30), "1 OR 1=1", "1_0", "\0"],
    "enum": ["", "flying", "null", "SENT", "sent,queued", "\0"],
    "date": ["", "today", "23.11.2026", "2026-02-30", "2026-11-23T00:00:00Z", "0000-01-01"],
    "date-time": ["", "2026-11-23", "2026-11-23T09:30:00", "now"],
    "string": ["\0", "a\r\nb", "\x7f", "x" * 5000],
}


@pytest.mark.parametrize("operation", [o for o in GUARDED if o.method == "GET" and o.filters], ids=named)
def test_a_filter_that_is_not_understood_is_refused_and_never_means_all(asked: Asker, operation: Operation) -> None:
    for name, schema in operation.filters.items():
        if name in ("page", "limit", "cursor"):
            continue
        for value in BAD_FILTERS[kind_of(schema)]:
            answer = asked.get(operation, **{name: value})
            assert is_problem(answer, 422, f"query.{name}"), (name, value)


@each_bare_list
def test_a_filter_that_fits_nothing_finds_nothing(asked_each: Asker, operation: Operation) -> None:
    for name, schema in operation.filters.items():
        if name not in ("page", "limit", "cursor") and kind_of(schema) == "integer":
            answer = asked_each.get(operation, **{name: UNKNOWN})
            assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "If-Match", "Content-Type"])
def test_a_header_given_twice_is_not_guessed_at(asked: Asker, name: str) -> None:
    given = asked.client.headers.get(name, "application/json")
    answer = asked.client.get("/api/emails", headers=[(name, given), (name, given)])
    assert answer.status_code in (401, 422)
    assert is_problem(answer, answer.status_code)


@pytest.mark.parametrize("operation", [o for o in GUARDED if o.method == "POST"], ids=named)
def test_a_key_of_repeats_that_is_none_is_refused(asked: Asker, operation: Operation) -> None:
    body = json.dumps(operation.example).encode() if operation.reads_body else b""
    for key in ("", " ", "a b", "ü", "\x7f", "x" * 256, "a\tb"):
        headers = {b"Idempotency-Key": key.encode(), b"Content-Type": b"application/json"}
        answer = asked.client.request("POST", operation.url(), content=body, headers=headers)
        assert is_problem(answer, 422, "header.idempotency-key"), key


@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_a_method_that_is_not_there_is_405_with_those_that_are(asked: Asker, operation: Operation) -> None:
    answer = asked.client.request("PATCH", operation.url(1))
    assert is_problem(answer, 405)
    assert operation.method in answer.headers["allow"] or len(answer.headers["allow"]) > 2


def test_a_path_that_is_not_there_is_404(asked: Asker) -> None:
    for path in ("/", "/api", "/api/", "/api/emails/", "/api//emails", "/api/x", "/api/emails/1/x", "/api/%2e%2e/etc"):
        assert is_problem(asked.client.get(path), 404)
