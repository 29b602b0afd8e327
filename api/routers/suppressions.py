"""Mailboxes that must never be written to: list, add, remove."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response

from api.asking import Changes, Posts, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.fields import Id, Line
from api.schemas.suppressions import ADDRESS, AddSuppression, SuppressionFilters, SuppressionView
from comms.rules.scopes import Scope
from comms.services import suppressions
from comms.store.models import Suppression

routes = Subject("suppressions")
SUPPRESSION = Resource(Suppression, SuppressionView, suppressions.show_suppression, "/api/suppressions/{id}")

_KNOWN = {200: {"model": SuppressionView, "description": "It was suppressed before; the first reason stands."}}
_ADDED = declare(Scope.WRITE, SuppressionView, 409, status=201, body=True, more=_KNOWN)


@routes.get("/suppressions", **declare(Scope.READ, list[SuppressionView]))
def list_suppressions(filters: Annotated[SuppressionFilters, Depends()], page: AskedPage, asked: Reads) -> Response:
    """List suppressed mailboxes, newest first; `mailbox` finds one in whatever spelling."""
    return asked.list(SuppressionView, lambda s: suppressions.page_of_suppressions(s, page, filters.mailbox), page)


@routes.get("/suppressions/{suppression_id}", **declare(Scope.READ, SuppressionView, 404))
def get_suppression(suppression_id: Id, asked: Reads) -> Response:
    """Read one suppression; its reason needs the scope `content`."""
    return asked.show(SUPPRESSION, suppression_id)


@routes.post("/suppressions", **_ADDED)
def add_suppression(body: AddSuppression, asked: Posts) -> Response:
    """Never write to a mailbox again, and cancel what waits for it."""
    with asked.acting(SUPPRESSION) as unit:
        done = suppressions.suppress_mailbox(unit.session, body.address, unit.now, unit.actor, body.reason)
        return unit.created(done.id) if done.new else unit.show(done.id)


@routes.delete("/suppressions/{suppression_id}", **declare(Scope.WRITE, None, 404, 412, status=204))
def remove_suppression(suppression_id: Id, asked: Changes) -> Response:
    """Allow a mailbox again."""
    with asked.changing(SUPPRESSION, suppression_id) as unit:
        suppressions.remove_suppression(unit.session, suppression_id, unit.now, unit.actor)
        return unit.nothing()


@routes.delete("/suppressions", **declare(Scope.WRITE, None, 404, status=204))
def remove_suppression_of_address(address: Annotated[Line, Query(json_schema_extra=ADDRESS)], asked: Reads) -> Response:
    """Allow the mailbox of an address again, in whatever spelling."""
    with asked.acting() as unit:
        suppressions.remove_mailbox(unit.session, address, unit.now, unit.actor)
        return unit.nothing()
