"""Errors as `application/problem+json` (RFC 9457): what is wrong, where, and what would be allowed; never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails
from starlette.responses import Response

from comms.errors import (
    BadFields,
    BadInput,
    CommsError,
    Conflict,
    ContactRefused,
    DatabaseNotReady,
    LetterNotRendered,
    MoveNotAllowed,
    NotFound,
    SlotRefused,
    Temporary,
)

MEDIA_TYPE = "application/problem+json"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}", re.ASCII)
RETRY_SECONDS = 5
"""What a client is told to wait while the database is away."""


class FieldProblem(BaseModel):
    """One field that cannot be used."""

    field: str
    """Path from body, query, path or header: `body.recipient_email`."""
    code: str
    message: str


class Problem(BaseModel):
    """What every error of this API looks like."""

    type: str = Field(description="Stable: urn:comms: and a code.")
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | None = Field(None, description="With 422: one entry per field.")
    allowed: list[str] | None = Field(None, description="With 409: the moves that the state allows.")
    reason: str | None = Field(None, description="With 409: why a contact or a slot is refused, as a code.")
    next_date: str | None = Field(None, description="With 409: from when on the contact would be allowed.")


_EXAMPLES: dict[int, tuple[str, str]] = {
    401: ("unauthenticated", "this key is unknown, expired or revoked"),
    403: ("forbidden", "this needs a key with the scope write"),
    404: ("not_found", "there is no email 17"),
    409: ("contact_refused", "the contact policy refuses it until 2026-11-30: contacted_recently"),
    412: ("precondition_failed", "it was changed since; load it again, its ETag is another now"),
    413: ("too_large", "a body has at most 1048576 bytes"),
    415: ("wrong_media_type", "send JSON: Content-Type: application/json"),
    422: ("bad_input", "cannot be used: body.subject"),
    429: ("too_many_requests", "more than 6000 requests a minute with this key"),
    503: ("database_away", "the database does not answer now; nothing was changed, send the same request again"),
}


def example_of(status: int) -> dict[str, Any]:
    """What a problem with this status looks like."""
    code, detail = _EXAMPLES[status]
    shown = {"type": f"urn:comms:{code}", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if status == HTTPStatus.CONFLICT:
        shown |= {"reason": "contacted_recently", "next_date": "2026-11-30"}
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        shown |= {"errors": [{"field": "body.subject", "code": "line_end", "message": "must be one line"}]}
    return shown


class ApiError(CommsError):
    """Refused at the door, before any service is asked."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})


class Unauthenticated(ApiError):
    code, status = "unauthenticated", HTTPStatus.UNAUTHORIZED

    def __init__(self, message: str) -> None:
        super().__init__(message, {"WWW-Authenticate": 'Bearer realm="comms"'})


class Forbidden(ApiError):
    code, status = "forbidden", HTTPStatus.FORBIDDEN


class PreconditionFailed(ApiError):
    code, status = "precondition_failed", HTTPStatus.PRECONDITION_FAILED


class TooLarge(ApiError):
    code, status = "too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class WrongMediaType(ApiError):
    code, status = "wrong_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class TooMany(ApiError):
    code, status = "too_many_requests", HTTPStatus.TOO_MANY_REQUESTS


STATUS: tuple[tuple[type[CommsError], HTTPStatus], ...] = (
    (BadInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (LetterNotRendered, HTTPStatus.CONFLICT),
    (Temporary, HTTPStatus.SERVICE_UNAVAILABLE),
    (DatabaseNotReady, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""Every error that services raise on purpose, and the answer to it; the first that fits."""


def answer_to(error: CommsError) -> Response:
    """Say a named error; 500 for one that no client can bring about."""
    if isinstance(error, ApiError):
        return problem(error.status, error.code, str(error), error.headers)
    status = next((status for kind, status in STATUS if isinstance(error, kind)), None)
    if status is None:
        return unexpected()
    headers = {"Retry-After": str(RETRY_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return problem(status, error.code, str(error), headers, **_more(error))


def _more(error: CommsError) -> dict[str, Any]:
    if isinstance(error, BadFields):
        return {"errors": [vars(fault) for fault in error.faults]}
    if isinstance(error, BadInput):
        where = error.where or "body"
        return {"errors": [{"field": where, "code": error.code, "message": error.reason}]}
    if isinstance(error, MoveNotAllowed):
        return {"allowed": error.allowed}
    if isinstance(error, ContactRefused):
        return {"reason": error.reason, "next_date": error.next_date}
    return {"reason": error.reason} if isinstance(error, SlotRefused) else {}


def invalid(errors: Sequence[FieldProblem]) -> Response:
    """Say what is wrong with the input, one entry per field."""
    named = ", ".join(dict.fromkeys(error.field for error in errors))
    entries = [error.model_dump() for error in errors]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_input", f"cannot be used: {named}", errors=entries)


def field_problems(errors: Iterable[ErrorDetails | dict[str, Any]]) -> list[FieldProblem]:
    """Translate Pydantic's errors; what was sent is in none of them."""
    return [_field_problem(error["loc"], error["type"], error["msg"]) for error in errors]


def _field_problem(place: Sequence[int | str], code: str, message: str) -> FieldProblem:
    field = ".".join(str(part) if isinstance(part, int) else shown(part) for part in place)
    return FieldProblem(field=field, code=code, message=message.removeprefix("Value error, "))


def shown(name: str) -> str:
    """Repeat the name of a field to who misspelled it, but nothing that was no name."""
    return name if _NAME.fullmatch(name) else "?"


def away() -> Response:
    """The database does not answer, or has no room."""
    text = "the database does not answer now; nothing was changed, send the same request again"
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "database_away", text, headers)


def commit_lost() -> Response:
    """The database went away while it wrote."""
    text = (
        "the database went away while the change was being written: it was made, or it was not; send the same request"
        " again with its Idempotency-Key, or look first"
    )
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "commit_lost", text, {"Retry-After": str(RETRY_SECONDS)})


def unexpected() -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", "a fault of this service; its log names the place")


def problem(
    status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """Write one problem; fields without a value are left out."""
    given = {name: value for name, value in more.items() if value is not None}
    body = Problem(type=f"urn:comms:{code}", title=status.phrase, status=status, detail=detail, **given)
    return Response(body.model_dump_json(exclude_none=True), status, dict(headers or {}), MEDIA_TYPE)
