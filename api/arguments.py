"""What the function of a route is called with: all that was sent, read in one validation, and its dependencies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from api.bodies import Read

Fill = Callable[[Read, Any], dict[str, Any]]


class Arguments:
    """Reads the arguments of one route. All that can be known before a request is found out when the route is made.

    Dependencies are plain functions and are called where the request is: they must not wait for anything.
    """

    def __init__(self, dependant: Dependant) -> None:
        fields = list(_fields(dependant))
        self.query = frozenset(field.alias for place, field in fields if place == "query")
        """Names of all query parameters."""
        self._headers = [field.alias for place, field in fields if place == "header"]
        self._read = _model(fields).__pydantic_validator__.validate_python
        self._fill = _filling(dependant)

    def of(self, request: Read) -> dict[str, Any]:
        """Read them from a request; RequestValidationError names every field that cannot be used."""
        headers = request.headers
        sent = {
            "path": request.path_params,
            "query": dict(request.query_params),
            "header": {name: headers[name] for name in self._headers if name in headers},
        }
        try:
            read = self._read(sent if request.sent is None else sent | {"body": request.sent})
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_url=False)) from None
        return self._fill(request, read)


def _fields(dependant: Dependant) -> Iterator[tuple[str, ModelField]]:
    """Everything that a route and its dependencies read, and from where."""
    yield from _own_fields(dependant)
    for inner in dependant.dependencies:
        yield from _fields(inner)


def _own_fields(dependant: Dependant) -> Iterator[tuple[str, ModelField]]:
    yield from (("path", field) for field in dependant.path_params)
    yield from (("query", field) for field in dependant.query_params)
    yield from (("header", field) for field in dependant.header_params)
    yield from (("body", field) for field in dependant.body_params)


def _model(fields: list[tuple[str, ModelField]]) -> type[BaseModel]:
    """One model of a request, whose places of errors are those that clients know: `query.limit`, `body.subject`."""
    parts: dict[str, Any] = {place: _part(place, fields) for place in ("path", "query", "header")}
    parts |= {field.name: _declared(field) for place, field in fields if place == "body"}
    return create_model("Sent", **parts)


def _part(place: str, fields: list[tuple[str, ModelField]]) -> type[BaseModel]:
    """What stands in one place, under the names that clients use (`if-match`)."""
    here = {field.name: field for where, field in fields if where == place}
    config = ConfigDict(alias_generator=lambda name: here[name].alias)
    declared: dict[str, Any] = {name: _declared(field) for name, field in here.items()}
    return create_model(place, __config__=config, **declared)


def _declared(field: ModelField) -> tuple[Any, Any]:
    return field.field_info.annotation, field.field_info


def _filling(dependant: Dependant) -> Fill:
    """Make the function that fills in the arguments of `dependant.call` from a request and what was read of it."""
    read = {
        f.name: attrgetter(f.name if place == "body" else f"{place}.{f.name}") for place, f in _own_fields(dependant)
    }
    inner: list[tuple[str, Any, Fill]] = [(str(d.name), d.call, _filling(d)) for d in dependant.dependencies]
    request_name = dependant.request_param_name

    def fill(request: Read, sent: Any) -> dict[str, Any]:
        given = {name: get(sent) for name, get in read.items()}
        for name, call, filling in inner:
            given[name] = call(**filling(request, sent))
        return given | {request_name: request} if request_name else given

    return fill
