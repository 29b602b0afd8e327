"""Placement requests in emails: list, add, read, change, drop."""

from __future__ import annotations

from fastapi import Response

from api.asking import Changes, Posts, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.email_batches import AddRequest, ChangeEmailBatch, EmailBatchView
from api.schemas.fields import Id
from comms.rules.scopes import Scope
from comms.services import email_batches
from comms.store.models import EmailBatch

routes = Subject("email batches")
BATCH = Resource(EmailBatch, EmailBatchView, email_batches.show_batch, "/api/email-batches/{id}")


@routes.get("/emails/{email_id}/batches", **declare(Scope.READ, list[EmailBatchView], 404))
def list_email_batches(email_id: Id, page: AskedPage, asked: Reads) -> Response:
    """List the placement requests that were ever in an email, the last added first; `priority` is their order in it."""
    return asked.list(EmailBatchView, lambda s: email_batches.page_of_batches(s, page, email_id), page)


@routes.post("/emails/{email_id}/batches", **declare(Scope.WRITE, EmailBatchView, 404, 409, status=201, body=True))
def add_email_batch(email_id: Id, body: AddRequest, asked: Posts) -> Response:
    """Let a draft that a person wrote speak of one more placement request."""
    with asked.acting(BATCH) as unit:
        request_id, now, actor = body.placement_request_id, unit.now, unit.actor
        return unit.created(email_batches.add_request(unit.session, email_id, request_id, now, actor, body.priority))


@routes.get("/email-batches/{batch_id}", **declare(Scope.READ, EmailBatchView, 404))
def get_email_batch(batch_id: Id, asked: Reads) -> Response:
    """Read one placement request in one email."""
    return asked.show(BATCH, batch_id)


@routes.put("/email-batches/{batch_id}", **declare(Scope.WRITE, EmailBatchView, 404, 409, 412, body=True))
def change_email_batch(batch_id: Id, body: ChangeEmailBatch, asked: Changes) -> Response:
    """Change its place while the email is a draft, record or correct the answer once it was sent.

    An outcome cancels the follow-up, closes or reopens the request, and starts or ends the cooling period.
    """
    zone = asked.settings.time_zone
    with asked.changing(BATCH, batch_id) as unit:
        email_batches.change_batch(unit.session, batch_id, body.given(), unit.now, unit.actor, zone)
        return unit.show(batch_id)


@routes.delete("/email-batches/{batch_id}", **declare(Scope.WRITE, None, 404, 409, 412, status=204))
def drop_email_batch(batch_id: Id, asked: Changes) -> Response:
    """Take a placement request out of a draft."""
    with asked.changing(BATCH, batch_id) as unit:
        email_batches.drop_request(unit.session, batch_id, unit.now, unit.actor)
        return unit.nothing()
