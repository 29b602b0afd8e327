"""The kill switch of sending."""

from __future__ import annotations

from fastapi import Response

from api.asking import JSON, Posts, Reads
from api.rendering import render
from api.routing import Subject, declare
from api.schemas.sending import PauseSending, SendingView
from comms.rules.scopes import Scope
from comms.services.pause import pause_sending as pause
from comms.services.pause import resume_sending as resume
from comms.services.sending.channel import show_switch
from comms.store.engines import clock

routes = Subject("operations")


@routes.get("/sending", **declare(Scope.READ, SendingView))
def get_sending(asked: Reads) -> Response:
    """Say whether sending is paused, since when and by whom; the note needs the scope `content`."""
    with asked.reading() as session:
        found = show_switch(session, clock(session))
    return Response(render(SendingView, found, asked.may(Scope.CONTENT)), 200, media_type=JSON)


@routes.post("/sending/pause", **declare(Scope.OPS, SendingView, 409, body=True))
def pause_sending(asked: Posts, body: PauseSending | None = None) -> Response:
    """Stop sending at once, in every process and after restarts; what is being handed over is finished."""
    with asked.acting() as unit:
        pause(unit.session, unit.actor, unit.now, (body or PauseSending()).reason)
        return unit.answer(SendingView, show_switch(unit.session, unit.now))


@routes.post("/sending/resume", **declare(Scope.OPS, SendingView, 409))
def resume_sending(asked: Posts) -> Response:
    """Send again, and take the faults of the channel off the staff list."""
    with asked.acting() as unit:
        resume(unit.session, unit.actor, unit.now)
        return unit.answer(SendingView, show_switch(unit.session, unit.now))
