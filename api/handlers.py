"""The one place where errors become answers, and the outermost edge."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.asking import Repeated
from api.metrics import known_method
from api.problems import answer_to, away, commit_lost, field_problems, invalid, problem, unexpected
from comms import logs, tracing
from comms.causes import caused_by, new_id, opaque
from comms.errors import CommsError
from comms.store.session import CommitLost

log = logs.logger("comms.api")


def handle_errors(app: FastAPI) -> None:
    """Teach `app` an answer to everything that may be raised below."""
    app.exception_handler(CommsError)(_named)
    app.exception_handler(Repeated)(_repeated)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_of_the_framework)
    app.exception_handler(IntegrityError)(_collided)
    app.exception_handler(CommitLost)(_commit_lost)
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        app.exception_handler(kind)(_database_away)
    app.add_middleware(Outermost)


async def _named(_: Request, error: CommsError) -> Response:
    return answer_to(error)


async def _repeated(_: Request, repeated: Repeated) -> Response:
    return repeated.response()


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    return invalid(field_problems(error.errors()))


async def _of_the_framework(request: Request, error: HTTPException) -> Response:
    """No such path, or no such method: then with the methods of all routes of the path, not only of the first."""
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem(status, status.name.lower(), status.description or status.phrase, headers)


def _methods(request: Request) -> set[str]:
    fitting = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in fitting for method in getattr(route, "methods", ())}


async def _collided(request: Request, error: IntegrityError) -> Response:
    """Two requests wanted the same thing at the same moment; the other one got it."""
    _report(request.scope, error)
    text = "somebody else changed the same thing at the same moment; nothing was changed, send the request again"
    return problem(HTTPStatus.CONFLICT, "lost_race", text)


async def _database_away(request: Request, error: Exception) -> Response:
    _report(request.scope, error)
    return away()


async def _commit_lost(request: Request, error: Exception) -> Response:
    _report(request.scope, error)
    return commit_lost()


class Outermost:
    """Answers what nobody else did, and writes one line a request: the route, never the address or its query."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = _sent(scope, TRACE_PARENT)
        with (
            caused_by(opaque(_sent(scope, REQUEST_ID)) or new_id()) as id_,
            tracing.span("request", "server", caller=caller) as span,
        ):
            await self._answer(scope, receive, send, id_, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, id_: str, span: tracing.Span) -> None:
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*_guarded(message["headers"]), (REQUEST_ID, id_.encode())]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            _report(scope, error)
            if status:
                raise
            await unexpected()(scope, receive, sending)
        finally:
            _tell(scope, status, time.perf_counter() - began, span)


_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
"""Whoever has a browser show an answer of ours: it loads nothing, and nobody frames it."""
_ALWAYS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),  # heard over TLS only, from the proxy
]


def _guarded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add what every answer says; the page of the documentation has a policy of its own."""
    given = list(headers)
    own = any(name == _POLICY[0] for name, _ in given)
    return [*given, *_ALWAYS] if own else [*given, *_ALWAYS, _POLICY]


def _sent(scope: Scope, header: bytes) -> str:
    """The first that the client or a proxy sent by this name."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == header), "")


REQUEST_ID, TRACE_PARENT = b"x-request-id", b"traceparent"


def _tell(scope: Scope, status: int, seconds: float, span: tracing.Span) -> None:
    route, method, ids = _route(scope), scope["method"], _ids(scope)
    scope["app"].state.parts.metrics.observe(method, route, status, seconds)
    log.info("request", method=method, route=route, status=int(status), **ids, ms=round(seconds * 1000, 1))
    _complete(span, known_method(method), route, int(status), ids)


def _complete(span: tracing.Span, method: str, route: str, status: int, ids: Mapping[str, int]) -> None:
    """Name the span as OpenTelemetry does; only what is ours to answer for has failed."""
    span.name = method if route == NO_ROUTE else f"{method} {route}"
    span.attributes |= {"http.request.method": method, "http.response.status_code": status, **ids}
    if route != NO_ROUTE:
        span.attributes["http.route"] = route
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.failed = str(status)


def _ids(scope: Scope) -> dict[str, int]:
    """The numbers in the path; names are left out."""
    return {name: int(value) for name, value in scope.get("path_params", {}).items() if str(value).isdecimal()}


def _report(scope: Scope, error: Exception) -> None:
    """Say what failed and where; the words of an error may quote a row."""
    code = getattr(error.orig, "pgcode", None) if isinstance(error, DBAPIError) else None
    log.error("failed", method=scope["method"], route=_route(scope), code=code, exc_info=error)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", NO_ROUTE)


NO_ROUTE = "-"
