"""Emails: list, read, move."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from api.asking import Moves, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.emails import CancelEmail, EmailFilters, EmailLine, EmailView
from api.schemas.fields import Id
from comms.rules.scopes import Scope
from comms.services import emails
from comms.store.models import Email

routes = Subject("emails")
EMAIL = Resource(Email, EmailView, emails.show_email, "/api/emails/{id}")


@routes.get("/emails", **declare(Scope.READ, list[EmailLine]))
def list_emails(filters: Annotated[EmailFilters, Depends()], page: AskedPage, asked: Reads) -> Response:
    """List emails, newest first."""
    return asked.list(EmailLine, lambda s: emails.page_of_emails(s, page, **vars(filters)), page)


@routes.get("/emails/{email_id}", **declare(Scope.READ, EmailView, 404))
def get_email(email_id: Id, asked: Reads) -> Response:
    """Read one email; its bodies and what the therapist wrote need the scope `content`."""
    return asked.show(EMAIL, email_id)


@routes.post("/emails/{email_id}/cancel", **declare(Scope.WRITE, EmailView, 404, 409, 412, body=True))
def cancel_email(email_id: Id, asked: Moves, body: CancelEmail | None = None) -> Response:
    """Withdraw an email before it is sent, and say what becomes of its placement requests."""
    said = body or CancelEmail()
    with asked.changing(EMAIL, email_id) as unit:
        becomes = emails.Requests(said.requests)
        emails.cancel_email(unit.session, email_id, unit.now, unit.actor, becomes, said.reason)
        return unit.show(email_id)
