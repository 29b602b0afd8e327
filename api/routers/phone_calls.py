"""Phone calls: book, list, read, change, move."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import Depends, Response

from api.asking import Asked, Changes, Moves, Posts, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.fields import Id
from api.schemas.phone_calls import (
    CancelPhoneCall,
    CompletePhoneCall,
    CreatePhoneCall,
    FateFilter,
    MissPhoneCall,
    PhoneCallBatchView,
    PhoneCallFilters,
    PhoneCallView,
    ReschedulePhoneCall,
    UpdatePhoneCall,
)
from comms.errors import BadInput
from comms.rules.scopes import Scope
from comms.rules.states import PhoneCallStatus
from comms.services.calls.batches import batches_of_call
from comms.services.calls.canceling import Requests, cancel_call
from comms.services.calls.changing import change_call
from comms.services.calls.completing import complete_call
from comms.services.calls.manual import NewCall, book_call
from comms.services.calls.missing import miss_call
from comms.services.calls.moving import reschedule_call
from comms.services.calls.placing import Wanted
from comms.services.calls.showing import page_of_calls, show_call
from comms.services.calls.times import read_time, require_past
from comms.store.models import PhoneCall
from comms.store.paging import Page

routes = Subject("phone calls")
CHANGE = (404, 409, 412)


def call_resource(asked: Asked) -> Resource:
    """A call, its times in the local time zone of the settings."""
    load = partial(show_call, zone=asked.settings.time_zone)
    return Resource(PhoneCall, PhoneCallView, load, "/api/phone-calls/{id}")


@routes.get("/phone-calls", **declare(Scope.READ, list[PhoneCallView]))
def list_phone_calls(filters: Annotated[PhoneCallFilters, Depends()], page: AskedPage, asked: Reads) -> Response:
    """List phone calls, newest first; `scheduled_date` is a local date."""
    zone = asked.settings.time_zone
    return asked.list(PhoneCallView, lambda s: page_of_calls(s, page, zone, **vars(filters)), page)


@routes.post("/phone-calls", **declare(Scope.WRITE, PhoneCallView, 409, status=201, body=True))
def create_phone_call(body: CreatePhoneCall, asked: Posts) -> Response:
    """Book a call: at a time, or in the next free slot, where the answer says why when there is none.

    It is a contact of the therapist, and obeys the contact policy like an email: 409 with the reason. A placement
    request that waits in an unanswered email brings this whole email into the call, which follows it up; requests that
    all need a follow-up make the call a reply, which stands outside the rule.
    """
    if body.override is not None:
        asked.require(Scope.OVERRIDE)
    new = _new_call(body, asked)
    with asked.acting(call_resource(asked)) as unit:
        call_id = book_call(unit.session, new, unit.now, asked.settings.call_policy(), actor=unit.actor)
        return unit.created(call_id)


def _new_call(body: CreatePhoneCall, asked: Asked) -> NewCall:
    if body.status is not PhoneCallStatus.SCHEDULED:
        raise BadInput("a call begins as scheduled: book it, then say what came of it", where="body.status")
    starts_at = read_time(body.scheduled_date, body.scheduled_time, asked.settings.time_zone, "scheduled")
    return NewCall(
        therapist_id=body.therapist_id,
        wanted=Wanted(body.duration_minutes or asked.settings.call_minutes, starts_at),
        request_ids=tuple(body.placement_request_ids),
        notes=body.notes,
        override_reason=body.override.reason if body.override else None,
    )


@routes.get("/phone-calls/{call_id}", **declare(Scope.READ, PhoneCallView, 404))
def get_phone_call(call_id: Id, asked: Reads) -> Response:
    """Read one call; its notes need the scope `content`."""
    return asked.show(call_resource(asked), call_id)


@routes.put("/phone-calls/{call_id}", **declare(Scope.WRITE, PhoneCallView, *CHANGE, body=True))
def update_phone_call(call_id: Id, body: UpdatePhoneCall, asked: Changes) -> Response:
    """Change what is sent. A new time moves the call, a new status goes the way of its verb; sent as is, both stay."""
    with asked.changing(call_resource(asked), call_id) as unit:
        policy = asked.settings.call_policy()
        change_call(unit.session, call_id, body.given(), unit.now, policy, actor=unit.actor)
        return unit.show(call_id)


@routes.delete("/phone-calls/{call_id}", **declare(Scope.WRITE, PhoneCallView, *CHANGE))
def delete_phone_call(call_id: Id, asked: Changes, requests: FateFilter = "reopen") -> Response:
    """Cancel a scheduled call; its history stays, and the answer shows the call as it is then."""
    with asked.changing(call_resource(asked), call_id) as unit:
        cancel_call(unit.session, call_id, unit.now, Requests(requests), actor=unit.actor)
        return unit.show(call_id)


@routes.post("/phone-calls/{call_id}/complete", **declare(Scope.WRITE, PhoneCallView, *CHANGE, body=True))
def complete_phone_call(call_id: Id, asked: Moves, body: CompletePhoneCall | None = None) -> Response:
    """Note that somebody was reached, with an answer for each placement request.

    Also for a call that was noted as missed: then its next try is canceled. Requests without an answer go on the staff
    list.
    """
    said = body or CompletePhoneCall()
    zone = asked.settings.time_zone
    at = read_time(said.actual_date, said.actual_time, zone, "actual")
    with asked.changing(call_resource(asked), call_id) as unit:
        require_past(at, unit.now, "actual")
        answers = {answer.placement_request_id: answer.outcome for answer in said.answers}
        complete_call(
            unit.session, call_id, unit.now, actor=unit.actor,
            answers=answers, outcome=said.outcome, notes=said.notes, at=at, zone=zone,
        )  # fmt: skip
        return unit.show(call_id)


@routes.post("/phone-calls/{call_id}/miss", **declare(Scope.WRITE, PhoneCallView, *CHANGE, body=True))
def miss_phone_call(call_id: Id, asked: Moves, body: MissPhoneCall | None = None) -> Response:
    """Note that nobody was reached; the next try is booked (`retry_id`), or the staff list says it was the last."""
    said = body or MissPhoneCall()
    with asked.changing(call_resource(asked), call_id) as unit:
        miss_call(
            unit.session, call_id, unit.now, asked.settings.call_policy(), actor=unit.actor,
            reason=said.reason, retry_after=said.retry_after, notes=said.notes,
        )  # fmt: skip
        return unit.show(call_id)


@routes.post("/phone-calls/{call_id}/cancel", **declare(Scope.WRITE, PhoneCallView, *CHANGE, body=True))
def cancel_phone_call(call_id: Id, asked: Moves, body: CancelPhoneCall | None = None) -> Response:
    """Drop a scheduled call, and say what becomes of its placement requests; its emails are closed."""
    said = body or CancelPhoneCall()
    with asked.changing(call_resource(asked), call_id) as unit:
        fate = Requests(said.requests)
        cancel_call(unit.session, call_id, unit.now, fate, actor=unit.actor, reason=said.reason)
        return unit.show(call_id)


@routes.post("/phone-calls/{call_id}/reschedule", **declare(Scope.WRITE, PhoneCallView, *CHANGE, body=True))
def reschedule_phone_call(call_id: Id, asked: Moves, body: ReschedulePhoneCall | None = None) -> Response:
    """Move a scheduled call to another time, or to the next free slot after the present one."""
    said = body or ReschedulePhoneCall()
    starts_at = read_time(said.scheduled_date, said.scheduled_time, asked.settings.time_zone, "scheduled")
    with asked.changing(call_resource(asked), call_id) as unit:
        reschedule_call(
            unit.session, call_id, unit.now, asked.settings.call_policy(), actor=unit.actor,
            starts_at=starts_at, minutes=said.duration_minutes,
        )  # fmt: skip
        return unit.show(call_id)


@routes.get("/phone-calls/{call_id}/batches", **declare(Scope.READ, list[PhoneCallBatchView], 404))
def list_phone_call_batches(call_id: Id, asked: Reads) -> Response:
    """List the placement requests of a call in its order, those that were taken out of it too."""
    return asked.list(PhoneCallBatchView, lambda s: batches_of_call(s, call_id), Page())
