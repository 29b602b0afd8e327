"""Placement requests: one patient, one therapist."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from api.asking import Changes, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.fields import Id
from api.schemas.placement_requests import PlacementRequestFilters, PlacementRequestView, PutPlacementRequest
from comms.rules.scopes import Scope
from comms.services import facts_reading
from comms.services.intake import Kind, put_facts
from comms.store.models import PlacementRequest

routes = Subject("placement requests")
REQUEST = Resource(PlacementRequest, PlacementRequestView, facts_reading.show_request, "/api/placement-requests/{id}")
NEW = {201: {"description": "It was not known here before.", "model": PlacementRequestView}}


@routes.get("/placement-requests", **declare(Scope.READ, list[PlacementRequestView]))
def list_placement_requests(
    filters: Annotated[PlacementRequestFilters, Depends()], page: AskedPage, asked: Reads
) -> Response:
    """List placement requests, the highest id first; notes need the scope `content`."""
    return asked.list(PlacementRequestView, lambda s: facts_reading.page_of_requests(s, page, **vars(filters)), page)


@routes.get("/placement-requests/{request_id}", **declare(Scope.READ, PlacementRequestView, 404))
def get_placement_request(request_id: Id, asked: Reads) -> Response:
    """Read one placement request; its notes need the scope `content`."""
    return asked.show(REQUEST, request_id)


@routes.put(
    "/placement-requests/{request_id}", **declare(Scope.WRITE, PlacementRequestView, 409, 412, body=True, more=NEW)
)
def put_placement_request(request_id: Id, body: PutPlacementRequest, asked: Changes) -> Response:
    """Create a placement request, or change one: a field that is not sent stays, null clears it.

    A patient or therapist nobody told us about is kept by name until its facts come. A request keeps its patient and
    its therapist (409). What an answer or a person closed here stays closed (409); what was closed by a PUT or by the
    platform may be opened again. An accepted request withdraws the same patient's other ones.
    """
    with asked.putting(REQUEST, request_id) as unit:
        put = put_facts(unit.session, Kind.PLACEMENT_REQUESTS, request_id, body.given(), unit.now, unit.actor)
        return unit.created(request_id) if put.created else unit.show(request_id)
