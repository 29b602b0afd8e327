"""What happens to every request before its route: key, scope, limits, size, media type, and words nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Asgi

from api.arguments import Arguments
from api.bodies import Read
from api.parts import parts_of
from api.problems import MEDIA_TYPE, FieldProblem, Forbidden, example_of, invalid, shown
from api.security import Caller, address_of, bearer
from comms.rules.scopes import Scope
from comms.store.retrying import persistently

SECURITY = "key"

T = TypeVar("T")

ONCE = (b"authorization", b"content-type", b"idempotency-key", b"if-match")
"""Headers of which one of two would be overlooked."""

Handler = Callable[[Read], Coroutine[Any, Any, Response]]

_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
_WORDS = {
    401: "No key, or one that is not usable.",
    403: "The key lacks the scope.",
    404: "There is no such thing.",
    409: "The state of things forbids it; the answer says why and what would be allowed.",
    412: "It was changed since; load it again.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not JSON.",
    422: "The input cannot be used; one entry per field.",
    429: "Too many requests; wait as Retry-After says.",
    503: "The database is away; nothing was changed.",
}


def declare(
    scope: Scope,
    answer: Any = None,
    *also: int,
    status: int = 200,
    words: str = "",
    body: bool = False,
    more: Mapping[int, Any] | None = None,
) -> dict[str, Any]:
    """Arguments of a route: the scope it needs, what it answers, and every error that it may answer besides.

    `also` names further errors: 404, 409, 412. `body` says that it reads one. `more` describes further answers, or
    media types of the one.
    """
    errors = {401, 403, 422, 429, 503, *also} | ({413, 415} if body else set())
    described = {"description": words} if words else {}
    return {
        "response_model": answer,
        "status_code": status,
        "responses": {code: _described(code) for code in sorted(errors)}
        | ({status: described} if words else {})
        | dict(more or {}),
        "openapi_extra": {"security": [{SECURITY: [scope.value]}]},
    }


def _described(code: int) -> dict[str, Any]:
    return {"description": _WORDS[code], "content": {MEDIA_TYPE: _PROBLEM | {"example": example_of(code)}}}


class Guarded(APIRoute):
    """A route that nobody reaches without the scope that its OpenAPI declares."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.app = _answering(self._guard())

    def _guard(self) -> Handler:
        arguments = Arguments(self.dependant)
        scope = Scope(self.openapi_extra["security"][0][SECURITY][0]) if self.openapi_extra else Scope.ADMIN
        reads_body = self.body_field is not None

        async def guarded(request: Read) -> Response:
            request.state.caller = await _admit(request, scope)
            if strange := _strange_words(request, arguments.query):
                return invalid(strange)
            await request.read(reads_body)
            return await _act(request, partial(self.endpoint, **arguments.of(request)))

        return guarded


def _answering(handler: Handler) -> ASGIApp:
    """FastAPI's own does more for each request, all of it for dependencies that want to be told of its end."""

    async def app(scope: Asgi, receive: Receive, send: Send) -> None:
        response = await handler(Read(scope, receive))
        await response(scope, receive, send)

    return app


async def _admit(request: Request, scope: Scope) -> Caller:
    """Find the key, in the database only where it is not remembered; Unauthenticated, Forbidden or TooMany."""
    parts, secret = parts_of(request), bearer(request.headers.get("authorization"))
    keeper = parts.doorkeeper
    caller = keeper.remembered(secret)
    if caller is None:
        look_up = partial(keeper.look_up, secret, address_of(request.scope.get("client")))
        caller = await parts.readers.do(partial(persistently, look_up))
    if not caller.may(scope):
        raise Forbidden(f"this needs a key with the scope {scope.value}")
    keeper.count(caller)
    return caller


def _strange_words(request: Request, known: frozenset[str]) -> list[FieldProblem]:
    """Name query parameters that nobody knows, and what is given twice: nothing is ever guessed at."""
    given = [name for name, _ in request.query_params.multi_items()]
    unknown = sorted(set(given) - known)
    twice = [f"query.{name}" for name in sorted(known) if given.count(name) > 1]
    headers = [name for name, _ in request.scope["headers"]]
    twice += [f"header.{name.decode()}" for name in ONCE if headers.count(name) > 1]
    return [
        *(FieldProblem(field=f"query.{shown(n)}", code="unknown", message=_known_words(known)) for n in unknown),
        *(FieldProblem(field=place, code="given_twice", message="give it once") for place in twice),
    ]


def _known_words(known: frozenset[str]) -> str:
    return f"there are: {', '.join(sorted(known))}" if known else "there are no query parameters here"


async def _act(request: Request, work: Callable[[], T]) -> T:
    """Wait for what waits for the database."""
    parts = parts_of(request)
    threads = parts.readers if request.method == "GET" else parts.writers
    return await threads.do(partial(persistently, work))


class Subject(APIRouter):
    """The routes of one subject, all of them guarded."""

    def __init__(self, tag: str, prefix: str = "/api") -> None:
        super().__init__(prefix=prefix, tags=[tag], route_class=Guarded)
