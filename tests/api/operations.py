"""Every operation of the API as its OpenAPI document names it: tests that ask these grow with the routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from api.building import create_app
from api.routing import SECURITY
from comms.config import Settings
from comms.rules.scopes import Scope

UNKNOWN = 10**15
"""An id that nothing has."""

DOCUMENT: dict[str, Any] = create_app(Settings(_env_file=None)).openapi()  # type: ignore[call-arg]


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    words: dict[str, Any] = field(repr=False, hash=False, compare=False)
    """What the document says of it."""

    @property
    def id(self) -> str:
        return str(self.words["operationId"])

    @cached_property
    def scope(self) -> Scope | None:
        """The scope it needs; None where it is open."""
        declared = self.words.get("security")
        return Scope(declared[0][SECURITY][0]) if declared else None

    @property
    def ids(self) -> list[str]:
        """Names of the ids in the path."""
        return [name for name in re.findall(r"{(\w+)}", self.path) if self.parameter(name)["type"] == "integer"]

    @property
    def filters(self) -> dict[str, dict[str, Any]]:
        """Query parameters and their schemas."""
        return {p["name"]: p["schema"] for p in self.words.get("parameters", []) if p["in"] == "query"}

    def parameter(self, name: str) -> dict[str, Any]:
        found = next(p for p in self.words["parameters"] if p["name"] == name)
        return dict(found["schema"])

    def url(self, id_: object = UNKNOWN) -> str:
        """Its path with `id_` for every id, and a name that nothing has for every name."""
        numbers = set(self.ids)
        return re.sub(r"{(\w+)}", lambda m: str(id_) if m[1] in numbers else "nothing", self.path)

    @property
    def reads_body(self) -> bool:
        return "requestBody" in self.words

    @cached_property
    def body(self) -> dict[str, Any]:
        """The schema of its body."""
        schema = self.words["requestBody"]["content"]["application/json"]["schema"]
        kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
        return resolved(kinds[0])

    @property
    def example(self) -> Any:
        """Its body as printed."""
        return self.body["examples"][0]

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and "cursor" in self.filters


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the document."""
    if "$ref" not in schema:
        return schema
    found: Any = DOCUMENT
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, words in methods.items():
            yield Operation(method.upper(), path, words)


OPERATIONS = tuple(_operations())
GUARDED = tuple(operation for operation in OPERATIONS if operation.scope)
WITH_BODY = tuple(operation for operation in GUARDED if operation.reads_body)
WITH_ID = tuple(operation for operation in GUARDED if operation.ids)
LISTS = tuple(operation for operation in GUARDED if operation.is_list)


def named(operation: Operation) -> str:
    """For test ids."""
    return operation.id
