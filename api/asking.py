"""One request, one unit of work: who asks, under which conditions, in which transaction, and what is answered.

A route reads: `with asked.changing(EMAIL, email_id) as unit:` one call of a service, `return unit.show()`. Leaving the
block commits, before anything is sent; what is raised in it undoes all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.paging import list_headers
from api.parts import Parts, parts_of
from api.problems import Forbidden, PreconditionFailed
from api.rendering import etag, render, render_list
from api.schemas.fields import View
from api.security import Caller
from comms.config import Settings
from comms.errors import NotFound
from comms.rules.scopes import Scope
from comms.services.correspondence import Correspondence
from comms.services.repeats import Repeatable, StoredAnswer, claim_repeatable, store_answer
from comms.store.models import Base
from comms.store.paging import Page, Slice
from comms.store.session import reading, writing

JSON = "application/json"
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"


@dataclass(frozen=True)
class Resource:
    """One kind of thing: the row that is locked for If-Match, its view, how to load it, and where it stands."""

    model: type[Base]
    view: type[View]
    load: Callable[[Session, int], object]
    path: str = ""
    """`/api/emails/{id}`; for Location."""


class Repeated(Exception):
    """This request was answered before; `answer` is what was said then."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__("answered before")
        self.answer = answer

    def response(self) -> Response:
        headers = self.answer.headers | {"Idempotency-Replayed": "true"}
        return Response(self.answer.body, self.answer.status, headers)


class Unit:
    """One transaction that may write, and what it answers."""

    def __init__(
        self, asked: Asked, session: Session, repeatable: Repeatable | None, resource: Resource | None
    ) -> None:
        self.session = session
        self.now: datetime = asked.parts.timekeeper.now(session)
        self._asked, self._repeatable, self._resource = asked, repeatable, resource

    @property
    def actor(self) -> str:
        return self._asked.actor

    def show(self, id_: int, status: int = 200) -> Response:
        """Answer with the resource as it is now."""
        assert self._resource is not None
        body, headers = self._asked.shown(self.session, self._resource, id_)
        return self._keep(body, status, headers)

    def created(self, id_: int) -> Response:
        """Answer 201 with the resource and its place."""
        assert self._resource is not None
        return self.made(id_, self._resource.load(self.session, id_))

    def made(self, id_: int, value: object) -> Response:
        """The same where the resource is at hand as it is now."""
        assert self._resource is not None
        body, headers = self._asked.seen(self._resource, value)
        return self._keep(body, 201, headers | {"Location": self._resource.path.format(id=id_)})

    def answer(self, view: type[View], value: object, status: int = 200) -> Response:
        """Answer with something that is no resource."""
        return self._keep(render(view, value, self._asked.may(Scope.CONTENT)), status, {})

    def nothing(self) -> Response:
        """Answer 204."""
        return self._keep(b"", 204, {})

    def _keep(self, body: bytes, status: int, headers: dict[str, str]) -> Response:
        headers = headers if status == 204 else headers | {"Content-Type": JSON}
        if self._repeatable:
            self.session.flush()
            store_answer(self.session, self._repeatable, StoredAnswer(status, headers, body))
        return Response(body, status, headers)


@dataclass(frozen=True)
class Asked:
    """One request, as its route sees it."""

    request: Request
    parts: Parts
    caller: Caller
    if_match: str | None
    idempotency_key: str | None

    @property
    def settings(self) -> Settings:
        return self.parts.settings

    @property
    def correspondence(self) -> Correspondence:
        return self.parts.correspondence

    @property
    def actor(self) -> str:
        return self.caller.actor

    def may(self, scope: Scope) -> bool:
        return self.caller.may(scope)

    def require(self, scope: Scope) -> None:
        """Forbidden where a part of the request needs more than its route does."""
        if not self.may(scope):
            raise Forbidden(f"this needs a key with the scope {scope.value}")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A unit of work that only reads."""
        with reading(self.parts.glances) as session:
            yield session

    def show(self, resource: Resource, id_: int) -> Response:
        """Read one resource."""
        with self.reading() as session:
            body, headers = self.shown(session, resource, id_)
        return Response(body, 200, headers, JSON)

    def list(self, view: type[View], read: Callable[[Session], Slice[Any]], page: Page) -> Response:
        """Read one page of a list."""
        with self.reading() as session:
            found = read(session)
        body = render_list(view, found.rows, self.may(Scope.CONTENT))
        return Response(body, 200, list_headers(self.request, found, page), JSON)

    def shown(self, session: Session, resource: Resource, id_: int) -> tuple[bytes, dict[str, str]]:
        """The JSON of a resource as this key sees it, and its ETag."""
        return self.seen(resource, resource.load(session, id_))

    def seen(self, resource: Resource, value: object) -> tuple[bytes, dict[str, str]]:
        """The same of one that was loaded."""
        whole = render(resource.view, value, content=True)
        seen = whole if self.may(Scope.CONTENT) else render(resource.view, value, content=False)
        return seen, {"ETag": etag(whole)}

    @contextmanager
    def acting(self, resource: Resource | None = None) -> Iterator[Unit]:
        """A transaction that may write, for what is no change of one resource (or makes a new one).

        Raises Repeated where this Idempotency-Key was answered before.
        """
        with writing(self.parts.sessions) as session:
            repeatable = self._repeatable()
            unit = Unit(self, session, repeatable, resource)
            if repeatable and (answer := claim_repeatable(session, repeatable, unit.now)):
                raise Repeated(answer)
            yield unit

    @contextmanager
    def changing(self, resource: Resource, id_: int) -> Iterator[Unit]:
        """A transaction that changes one resource; PreconditionFailed where If-Match names another state of it."""
        with self.acting(resource) as unit:
            if self.if_match is not None and self.if_match.strip() != "*":
                self._compare(unit.session, resource, id_)
            yield unit

    @contextmanager
    def putting(self, resource: Resource, id_: int) -> Iterator[Unit]:
        """The same for what a PUT makes where there is none; with If-Match it makes nothing."""
        with self.acting(resource) as unit:
            if self.if_match is not None:
                self._require_present(unit.session, resource, id_)
            yield unit

    def _require_present(self, session: Session, resource: Resource, id_: int) -> None:
        try:
            resource.load(session, id_)
        except NotFound:
            raise PreconditionFailed("there is none yet; without If-Match this would make it") from None
        if (self.if_match or "").strip() != "*":
            self._compare(session, resource, id_)

    def _compare(self, session: Session, resource: Resource, id_: int) -> None:
        key = resource.model.__table__.c.id
        session.execute(select(key).where(key == id_).with_for_update(key_share=True)).all()
        current = etag(render(resource.view, resource.load(session, id_), content=True))
        if current not in (tag.strip() for tag in (self.if_match or "").split(",")):
            raise PreconditionFailed("it was changed since; load it again, its ETag is another now")

    def _repeatable(self) -> Repeatable | None:
        if self.idempotency_key is None or self.request.method != "POST":
            return None
        parts = (self.request.method, self.request.url.path, self.request.url.query, self.request.state.body)
        joined = b"\0".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        return Repeatable(self.caller.id, self.idempotency_key, hashlib.sha256(joined).hexdigest())


IfMatch = Annotated[str | None, Header(max_length=500, description="Act only on this state (ETag).")]
IdempotencyKey = Annotated[
    str | None,
    Header(pattern=IDEMPOTENCY_KEY, description="The same key and request gets the first answer again, for 7 days."),
]


def _read(request: Request) -> Asked:
    return _asked(request)


def _change(request: Request, if_match: IfMatch = None) -> Asked:
    return _asked(request, if_match)


def _post(request: Request, idempotency_key: IdempotencyKey = None) -> Asked:
    return _asked(request, key=idempotency_key)


def _move(request: Request, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None) -> Asked:
    return _asked(request, if_match, idempotency_key)


def _asked(request: Request, if_match: str | None = None, key: str | None = None) -> Asked:
    return Asked(request, parts_of(request), request.state.caller, if_match, key)


Reads = Annotated[Asked, Depends(_read)]
"""For GET."""
Changes = Annotated[Asked, Depends(_change)]
"""For PUT and DELETE: If-Match."""
Posts = Annotated[Asked, Depends(_post)]
"""For POST that makes something: Idempotency-Key."""
Moves = Annotated[Asked, Depends(_move)]
"""For verbs: both."""
