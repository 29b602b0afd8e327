"""One placement request in one call: read, change."""

from __future__ import annotations

from fastapi import Response

from api.asking import Changes, Reads, Resource
from api.routing import Subject, declare
from api.schemas.fields import Id
from api.schemas.phone_calls import PhoneCallBatchView, UpdatePhoneCallBatch
from comms.rules.scopes import Scope
from comms.services.calls.batches import change_call_batch, show_call_batch
from comms.store.models import PhoneCallBatch

routes = Subject("phone call batches")
BATCH = Resource(PhoneCallBatch, PhoneCallBatchView, show_call_batch, "/api/phone-call-batches/{id}")


@routes.get("/phone-call-batches/{batch_id}", **declare(Scope.READ, PhoneCallBatchView, 404))
def get_phone_call_batch(batch_id: Id, asked: Reads) -> Response:
    """Read one placement request in one call; its notes need the scope `content`."""
    return asked.show(BATCH, batch_id)


@routes.put("/phone-call-batches/{batch_id}", **declare(Scope.WRITE, PhoneCallBatchView, 404, 409, 412, body=True))
def update_phone_call_batch(batch_id: Id, body: UpdatePhoneCallBatch, asked: Changes) -> Response:
    """Change what is sent. An outcome is an answer: the call must be completed, and its request is settled by it."""
    with asked.changing(BATCH, batch_id) as unit:
        zone = asked.settings.time_zone
        change_call_batch(unit.session, batch_id, body.given(), unit.now, zone, actor=unit.actor)
        return unit.show(batch_id)
