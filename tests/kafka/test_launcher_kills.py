"""kill -9 of the launcher wherever it hurts: what was stored acts once, what waits is launched by the next."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from comms.services.inbox import handle_events
from comms.store.models import AuditEntry, InboxEvent, PlacementRequest
from comms.store.session import Sessions, reading
from tests.factories import number
from tests.kafka.bus import Bus
from tests.kafka.children import start_launcher
from tests.local_stack.parts import becomes_true
from tests.servers.topics import publish
from tests.services.messages import event_bytes

pytestmark = pytest.mark.slow

EVENTS = 300


def stored(sessions: Sessions) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count()).select_from(InboxEvent)) or 0


def keys(launched: Path) -> list[str]:
    return launched.read_text().split() if launched.exists() else []


@pytest.mark.parametrize("dies", ["before_commit", "after_commit", "after_launch"])
def test_a_launcher_that_is_killed_loses_nothing_and_nothing_acts_twice(
    sessions: Sessions, database_url: str, bus: Bus, tmp_path: Path, dies: str
) -> None:
    matches = [{"match_id": number(), "patient_id": number(), "therapist_id": number()} for _ in range(EVENTS)]
    publish(bus.servers, bus.topics[0], [(str(m["match_id"]), event_bytes("match.created", **m)) for m in matches])
    launched = tmp_path / "launched"
    killed = start_launcher(database_url, bus.settings, bus.topics, launched, dies=dies)
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert stored(sessions) > 0
    assert bool(keys(launched)) == (dies == "after_launch")
    if dies == "before_commit":
        assert bus.lag() == EVENTS

    successor = start_launcher(database_url, bus.settings, bus.topics, launched)
    try:
        more = 2 if dies == "after_launch" else 1
        assert becomes_true(lambda: stored(sessions) == EVENTS and len(keys(launched)) >= more, 60)
        assert becomes_true(lambda: bus.lag() == 0, 30)
    finally:
        successor.kill()

    assert handle_events(sessions).applied == {"match.created": EVENTS}
    assert handle_events(sessions).applied == {}
    with reading(sessions) as session:
        assert session.scalar(select(func.count()).select_from(PlacementRequest)) == EVENTS
        new = select(func.count()).select_from(AuditEntry).where(AuditEntry.action == "placement_request.import")
        assert session.scalar(new) == EVENTS
