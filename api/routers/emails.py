"""Emails: list, read, write, move."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from api.asking import Asked, Moves, Posts, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.emails import (
    CancelEmail,
    CreateEmail,
    EmailFilters,
    EmailLine,
    EmailView,
    Override,
    QueueEmail,
    ResolveEmail,
)
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


@routes.post("/emails", **declare(Scope.WRITE, EmailView, 409, status=201, body=True))
def create_email(body: CreateEmail, asked: Posts) -> Response:
    """Write an email: a draft, or queued at once where the contact rule allows it.

    A draft may name placement requests that wait elsewhere; none may be closed or another therapist's.
    """
    written, reason = emails.complete(body.written(), asked.settings.identity()), _reason(asked, body.override)
    with asked.acting(EMAIL) as unit:
        if body.status == "draft":
            draft = emails.create_draft(unit.session, written, unit.now, unit.actor)
            return unit.made(draft.id, draft)
        policy, letters = asked.settings.contact_policy(), asked.correspondence
        queued = emails.create_queued(unit.session, written, unit.now, unit.actor, policy, letters, reason)
        return unit.made(queued.id, queued)


@routes.post("/emails/{email_id}/queue", **declare(Scope.WRITE, EmailView, 404, 409, 412, body=True))
def queue_email(email_id: Id, asked: Moves, body: QueueEmail | None = None) -> Response:
    """Send a draft: claim the contact and put its placement requests in progress."""
    policy, reason = asked.settings.contact_policy(), _reason(asked, body.override if body else None)
    with asked.changing(EMAIL, email_id) as unit:
        signing = emails.bytes_from(asked.correspondence, unit.now)
        emails.queue_email(
            unit.session, email_id, unit.now, unit.actor, policy, override_reason=reason, ensure_bytes=signing
        )
        return unit.show(email_id)


@routes.post("/emails/{email_id}/cancel", **declare(Scope.WRITE, EmailView, 404, 409, 412, body=True))
def cancel_email(email_id: Id, asked: Moves, body: CancelEmail | None = None) -> Response:
    """Withdraw an email before it is sent, and say what becomes of its placement requests."""
    said = body or CancelEmail()
    with asked.changing(EMAIL, email_id) as unit:
        becomes = emails.Requests(said.requests)
        emails.cancel_email(unit.session, email_id, unit.now, unit.actor, becomes, said.reason)
        return unit.show(email_id)


@routes.post("/emails/{email_id}/requeue", **declare(Scope.WRITE, EmailView, 404, 409, 412, body=True))
def requeue_email(email_id: Id, asked: Moves, body: QueueEmail | None = None) -> Response:
    """Send an email that failed once more, with attempts from the start; the contact is claimed again."""
    policy, reason = asked.settings.contact_policy(), _reason(asked, body.override if body else None)
    with asked.changing(EMAIL, email_id) as unit:
        emails.requeue_email(unit.session, email_id, unit.now, unit.actor, policy, override_reason=reason)
        return unit.show(email_id)


@routes.post("/emails/{email_id}/resolve", **declare(Scope.OPS, EmailView, 404, 409, 412, body=True))
def resolve_email(email_id: Id, body: ResolveEmail, asked: Moves) -> Response:
    """Say what became of an email in doubt."""
    policy, reason = asked.settings.contact_policy(), _reason(asked, body.override)
    with asked.changing(EMAIL, email_id) as unit:
        becomes = emails.Requests(body.requests)
        emails.resolve_email(
            unit.session, email_id, body.status, unit.now, unit.actor, policy, requests=becomes, override_reason=reason
        )
        return unit.show(email_id)


@routes.post("/emails/{email_id}/bounce", **declare(Scope.WRITE, EmailView, 404, 409, 412))
def bounce_email(email_id: Id, asked: Moves) -> Response:
    """Say that an email which was sent came back: the address is refused, its placement requests go to a call."""
    with asked.changing(EMAIL, email_id) as unit:
        emails.bounce_email(unit.session, email_id, unit.now, unit.actor)
        return unit.show(email_id)


def _reason(asked: Asked, override: Override | None) -> str | None:
    """Why the contact rule may be broken; Forbidden for a key that may not."""
    if override is None:
        return None
    asked.require(Scope.OVERRIDE)
    return override.reason
