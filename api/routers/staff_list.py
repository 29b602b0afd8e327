"""The staff list: look at it, take something off it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from api.asking import Moves, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.fields import Id
from api.schemas.staff_list import CloseItem, StaffFilters, StaffItemFull, StaffItemLine
from comms.rules.scopes import Scope
from comms.services import staff_list
from comms.services.emails import Requests
from comms.store.engines import clock
from comms.store.models import StaffItem

routes = Subject("planning")
ITEM = Resource(StaffItem, StaffItemFull, staff_list.show_item, "/api/staff-list/{id}")


@routes.get("/staff-list", **declare(Scope.READ, list[StaffItemLine]))
def list_staff_items(filters: Annotated[StaffFilters, Depends()], page: AskedPage, asked: Reads) -> Response:
    """List what needs a person now, newest first: why, about what, since when, and the verb that ends it."""
    return asked.list(StaffItemLine, lambda s: staff_list.page_of_items(s, clock(s), page, **vars(filters)), page)


@routes.get("/staff-list/{item_id}", **declare(Scope.READ, StaffItemFull, 404))
def get_staff_item(item_id: Id, asked: Reads) -> Response:
    """Read one thing of the list, also when it is done."""
    return asked.show(ITEM, item_id)


@routes.post("/staff-list/{item_id}/close", **declare(Scope.WRITE, StaffItemFull, 404, 409, 412, body=True))
def close_staff_item(item_id: Id, asked: Moves, body: CloseItem | None = None) -> Response:
    """Take something off the list because a person has dealt with it.

    Where it stood for a call that cannot be made, its emails are closed and `requests` says what becomes of theirs.
    """
    requests = Requests((body or CloseItem()).requests)
    with asked.changing(ITEM, item_id) as unit:
        staff_list.close_standing_item(unit.session, item_id, unit.actor, unit.now, requests)
        return unit.show(item_id)
