"""Therapists: what is known about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from api.asking import Changes, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.fields import Id
from api.schemas.therapists import PutTherapist, TherapistFilters, TherapistView
from comms.rules.scopes import Scope
from comms.services import facts_reading
from comms.services.intake import Kind, put_facts
from comms.store.models import Therapist

routes = Subject("therapists")
THERAPIST = Resource(Therapist, TherapistView, facts_reading.show_therapist, "/api/therapists/{id}")
NEW = {201: {"description": "It was not known here before.", "model": TherapistView}}


@routes.get("/therapists", **declare(Scope.READ, list[TherapistView]))
def list_therapists(filters: Annotated[TherapistFilters, Depends()], page: AskedPage, asked: Reads) -> Response:
    """List therapists, the highest id first."""
    return asked.list(TherapistView, lambda s: facts_reading.page_of_therapists(s, page, **vars(filters)), page)


@routes.get("/therapists/{therapist_id}", **declare(Scope.READ, TherapistView, 404))
def get_therapist(therapist_id: Id, asked: Reads) -> Response:
    """Read what is known about one therapist."""
    return asked.show(THERAPIST, therapist_id)


@routes.put("/therapists/{therapist_id}", **declare(Scope.WRITE, TherapistView, 409, 412, body=True, more=NEW))
def put_therapist(therapist_id: Id, body: PutTherapist, asked: Changes) -> Response:
    """Create a therapist, or change what is known: a field that is not sent stays, null clears it.

    What must follow follows at once: who is blocked, inactive or not to be contacted loses the emails and calls that
    wait. Sending the same again changes nothing.
    """
    with asked.putting(THERAPIST, therapist_id) as unit:
        put = put_facts(unit.session, Kind.THERAPISTS, therapist_id, body.given(), unit.now, unit.actor)
        return unit.created(therapist_id) if put.created else unit.show(therapist_id)
