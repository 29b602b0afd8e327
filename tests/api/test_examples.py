"""What OpenAPI prints works as printed: every example is sent, every operation does what it is for."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from comms.store.session import Sessions
from tests.api.operations import DOCUMENT, GUARDED, OPERATIONS, WITH_BODY, Operation, named, resolved
from tests.api.world import World

DATABASES = ("sqlite",)

LEADING = {"removeSuppressionOfAddress": World.suppression}
"""What must be there before, for those that name it otherwise than in the path."""


@pytest.fixture
def world(client: TestClient, sessions: Sessions) -> World:
    return World(client, sessions)


@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_every_operation_works_as_printed(world: World, operation: Operation) -> None:
    LEADING.get(operation.id, lambda _: None)(world)
    answer = world.ask(operation)
    assert 200 <= answer.status_code < 300, answer.text
    assert str(answer.status_code) in operation.words["responses"]


@pytest.mark.parametrize("operation", WITH_BODY, ids=named)
def test_every_body_has_one_example_of_known_fields(operation: Operation) -> None:
    assert len(operation.body["examples"]) == 1
    assert set(operation.example) <= set(operation.body["properties"])


def test_operation_ids_are_fit_for_generated_clients() -> None:
    ids = [operation.id for operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", id_) for id_ in ids), ids


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_every_operation_is_described(operation: Operation) -> None:
    known = {tag["name"] for tag in DOCUMENT["tags"]}
    assert set(operation.words["tags"]) <= known
    assert len(operation.words["tags"]) == 1
    assert len(operation.words["summary"].split()) > 2, "the first line of its docstring"
    assert "`" not in operation.words["summary"], "plain text, while a description is Markdown"
    assert all(answer["description"] for answer in operation.words["responses"].values())


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_every_good_answer_has_a_schema_and_every_error_is_a_problem(operation: Operation) -> None:
    for status, answer in operation.words["responses"].items():
        kinds = answer.get("content", {})
        if status.startswith("2"):
            assert status == "204" or all(resolved(kind["schema"]) for kind in kinds.values())
        elif operation.scope:
            assert list(kinds) == ["application/problem+json"]


def test_every_tag_has_an_operation() -> None:
    used = {tag for operation in OPERATIONS for tag in operation.words["tags"]}
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used
