"""The calls of one day, with all that the caller needs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy.orm import Session

from api.asking import Reads
from api.routing import Subject, declare
from api.schemas.call_list import CallListEntry, CallListFilters
from comms.rules.local_time import clock_of
from comms.rules.scopes import Scope
from comms.services.calls.day import CallToMake, calls_of_day
from comms.store.engines import clock
from comms.store.paging import Page, Slice

routes = Subject("phone calls")


@routes.get("/call-list", **declare(Scope.READ, list[CallListEntry]))
def get_call_list(filters: Annotated[CallListFilters, Depends()], asked: Reads) -> Response:
    """Show the calls of a day in the order of their time: whom to call, about whom, and what happened before.

    Names and numbers of therapists are shown, of patients only what a letter may say; notes need the scope `content`.
    """
    settings = asked.settings

    def read(session: Session) -> Slice[CallToMake]:
        day = filters.date or clock_of(clock(session), settings.time_zone)[0]
        found = calls_of_day(
            session, day, settings.time_zone, settings.diagnosis_detail, caller=filters.caller, status=filters.status
        )
        return Slice(found, len(found))

    return asked.list(CallListEntry, read, Page())
