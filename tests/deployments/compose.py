"""Compose files as Compose reads them: its tags, its variables, its order of starting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<other>[^${}]*))?\}")
"""The innermost one; what stands around it is filled in afterwards."""


class _Tags(yaml.SafeLoader):
    """Knows the two words by which an overlay takes away or replaces."""


_Tags.add_constructor("!reset", lambda _loader, _node: None)
_Tags.add_constructor("!override", lambda loader, node: loader.construct_mapping(node, deep=True))


class Missing(Exception):
    """A variable without which Compose refuses to go on."""


def read(name: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Read a compose file of the repository with these variables, and no others, in `.env`."""
    filled: dict[str, Any] = fill(yaml.load((TOP / name).read_text(), _Tags), variables)
    return filled


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """Put the variables in, everywhere; Missing where one is needed and not there."""
    if isinstance(value, dict):
        return {key: fill(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, variables) for inner in value]
    while isinstance(value, str) and (found := VARIABLE.search(value)):
        value = value[: found.start()] + _value(found, variables) + value[found.end() :]
    return value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    given, how = variables.get(found["name"]), found["how"] or ""
    if given is None or (given == "" and how.startswith(":")):
        if how.endswith("?"):
            raise Missing(found["name"])
        return found["other"] or ""
    return given


def in_order(services: Mapping[str, Any]) -> list[str]:
    """Name the services so that each comes after all that it depends on."""
    return list(
        TopologicalSorter({name: service.get("depends_on", {}) for name, service in services.items()}).static_order()
    )
