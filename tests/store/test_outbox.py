"""Events are written in the transaction of the change that they tell."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import select

from comms.services.emails import cancel_email
from comms.store.models import Email, OutboxEvent
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW
from tests.services.email_rows import email_in


class Undone(Exception):
    """Whatever ends a request after its work was done and before its commit."""


def test_what_is_undone_was_never_announced(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email_id = email_in(session, "queued").id
    with suppress(Undone), writing(sessions) as session:
        cancel_email(session, email_id, NOW, "staff")
        assert session.scalars(select(OutboxEvent.event_type)).all() == ["communication.email_canceled"]
        raise Undone
    with reading(sessions) as session:
        assert session.get_one(Email, email_id).status == "queued"
        assert session.scalars(select(OutboxEvent.id)).all() == []
