"""Everything that happened with a therapist, in one order."""

from __future__ import annotations

from fastapi import Response

from api.asking import Reads
from api.paging import AskedPlace
from api.routing import Subject, declare
from api.schemas.fields import Id
from api.schemas.timeline import KindFilter, TimelineEntry
from comms.rules.scopes import Scope
from comms.services.timeline import page_of_timeline

routes = Subject("therapists")


@routes.get("/therapists/{therapist_id}/timeline", **declare(Scope.READ, list[TimelineEntry], 404))
def get_therapist_timeline(therapist_id: Id, page: AskedPlace, asked: Reads, kind: KindFilter = None) -> Response:
    """List every email, answer, call, refusal and override of a therapist, newest first.

    Consecutive runs that refused for the same reason are one entry with `times`. What persons wrote (`text`) needs the
    scope `content`.
    """
    return asked.list(TimelineEntry, lambda s: page_of_timeline(s, therapist_id, page, kind=kind), page)
