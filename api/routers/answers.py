"""What comes back, and the letters that speak of an earlier email."""

from __future__ import annotations

from fastapi import Response

from api.asking import Changes, Moves
from api.routers.emails import EMAIL
from api.routing import Subject, declare
from api.schemas.answers import AnsweredView, ChangeEmail, RecordResponse, RemindTherapist
from api.schemas.emails import EmailView
from api.schemas.fields import Id
from comms.rules.scopes import Scope
from comms.services import confirming, email_changes, reminding, responses
from comms.services.emails import bytes_from

routes = Subject("emails")


@routes.put("/emails/{email_id}", **declare(Scope.WRITE, EmailView, 404, 409, 412, body=True))
def change_email(email_id: Id, body: ChangeEmail, asked: Changes) -> Response:
    """Move an email, record that it was answered, leave notes; all or nothing."""
    policy = asked.settings.contact_policy()
    with asked.changing(EMAIL, email_id) as unit:
        signing = bytes_from(asked.correspondence, unit.now)
        email_changes.change_email(unit.session, email_id, body.given(), unit.now, unit.actor, policy, signing)
        return unit.show(email_id)


@routes.post("/emails/{email_id}/response", **declare(Scope.WRITE, AnsweredView, 404, 409, 412, body=True))
def record_response(email_id: Id, body: RecordResponse, asked: Moves) -> Response:
    """Record or correct what a therapist answered, for the email and for each placement request in it.

    Cancels the follow-up, closes or reopens the requests, starts or ends the cooling period. A request that the answer
    leaves out stays in progress, on the staff list.
    """
    with asked.changing(EMAIL, email_id) as unit:
        zone = asked.settings.time_zone
        answered = responses.respond(unit.session, email_id, body.said(), unit.now, unit.actor, zone)
        return unit.answer(AnsweredView, answered)


@routes.post("/emails/{email_id}/confirmation", **declare(Scope.WRITE, EmailView, 404, 409, 412, status=201))
def confirm_acceptance(email_id: Id, asked: Moves) -> Response:
    """Queue the letter that confirms what was accepted in this email; it stands outside the contact rule.

    Once for each accepted placement request, unless that letter was canceled or came back.
    """
    policy = asked.settings.contact_policy()
    with asked.changing(EMAIL, email_id) as unit:
        letters = asked.correspondence
        made = confirming.confirm_acceptance(unit.session, email_id, unit.now, unit.actor, policy, letters)
        return unit.created(made)


@routes.post("/emails/{email_id}/reminder", **declare(Scope.WRITE, EmailView, 404, 409, 412, status=201, body=True))
def remind_therapist(email_id: Id, asked: Moves, body: RemindTherapist | None = None) -> Response:
    """Queue a reminder of an email that nobody answered: an ordinary contact, so the contact rule holds.

    The placement requests keep their places in the first email: record the answer there.
    """
    policy, reason = asked.settings.contact_policy(), None
    if body and body.override:
        asked.require(Scope.OVERRIDE)
        reason = body.override.reason
    with asked.changing(EMAIL, email_id) as unit:
        letters = asked.correspondence
        made = reminding.remind_therapist(unit.session, email_id, unit.now, unit.actor, policy, letters, reason)
        return unit.created(made)
