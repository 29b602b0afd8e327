"""Our own events as staff see and move them."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from comms.errors import Conflict, NotFound
from comms.services.relaying.heads import load_heads
from comms.services.relaying.listing import EventState, list_events, park_event, retry_event, show_event
from comms.store.models import OutboxEvent
from comms.store.outbox import add_events
from comms.store.session import Sessions, writing
from tests.factories import NOW


def test_a_parked_event_lets_its_key_go_on_and_can_be_tried_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        add_events(session, "communication.email_created", [("email:1", {}), ("email:1", {})], NOW)
        first, second = sorted(event.id for event in list_events(session))
        assert [head.row for head in load_heads(session, NOW, 9)] == [first]
        park_event(session, first, NOW, "test")
        assert [head.row for head in load_heads(session, NOW, 9)] == [second]
        assert [event.id for event in list_events(session, state=EventState.PARKED)] == [first]
        retry_event(session, first, NOW, "test")
        assert show_event(session, first).state is EventState.WAITING
        assert [head.row for head in load_heads(session, NOW, 9)] == [first]


def test_a_published_event_can_neither_be_parked_nor_tried_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        add_events(session, "communication.email_created", [("email:1", {})], NOW)
        session.execute(update(OutboxEvent).values(published_at=NOW))
        [event] = list_events(session, state=EventState.PUBLISHED)
        for verb in (park_event, retry_event):
            with pytest.raises(Conflict):
                verb(session, event.id, NOW, "test")
        with pytest.raises(NotFound):
            retry_event(session, event.id + 1, NOW, "test")
