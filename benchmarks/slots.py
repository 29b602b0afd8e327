"""Slots found and calls booked per second: bits of one integer against a walk through every instant."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, update

from benchmarks.harness import Way, compare, speed
from comms.rules.horizon import make_horizon
from comms.rules.policy import CallPolicy
from comms.rules.slots import Slot, Wish, find_slot, make_callers
from comms.services.calls.scheduling import schedule_follow_up_calls
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.models import (
    CallCell,
    ContactEntry,
    ContactState,
    Email,
    OutboxEvent,
    PhoneCall,
    PhoneCallBatch,
    PhoneCallEmail,
)
from comms.store.session import Sessions, make_sessions, writing
from tests.factories import make_request, make_sent_email, make_therapist
from tests.rules.test_slots import oracle
from tests.servers.postgres import database, postgres_server

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
POLICY = CallPolicy(callers=3)
WISHES = [
    Wish({day: [(f"{hour:02}:10", f"{hour:02}:35")]})
    for day in ("tuesday", "wednesday", "thursday", "friday")
    for hour in range(8, 18)
]
"""Therapists with 25 minutes a week."""
CALLS = 300


def main() -> None:
    ways: dict[str, Way] = {
        "bits": lambda: speed(len(WISHES), _by_bits),
        "a walk": lambda: speed(len(WISHES), _by_walk),
    }
    compare("Slot finding", "slots/s", ways, setting=f"{POLICY.callers} callers, 14 days, every second slot taken")
    with tempfile.TemporaryDirectory() as folder:
        _measure_booking("SQLite", f"sqlite:///{folder}/comms.db")
        with postgres_server(Path(folder), durable=True) as server, database(server) as url:
            _measure_booking("PostgreSQL", url)


def _busy() -> list[tuple[int, int]]:
    horizon = make_horizon(NOW, POLICY)
    return [(caller, cell) for caller in (1, 2, 3) for cell in range(horizon.first, horizon.last, 2)]


def _by_bits() -> None:
    horizon = make_horizon(NOW, POLICY)
    callers = make_callers(horizon, POLICY, _busy())
    assert all(isinstance(find_slot(horizon, wish, callers), Slot) for wish in WISHES)


def _by_walk() -> None:
    busy = set(_busy())
    assert all(oracle(NOW, POLICY, wish, busy) for wish in WISHES)


def _measure_booking(name: str, url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    sessions = make_sessions(engine)
    with writing(sessions) as session:
        for _ in range(CALLS):
            therapist = make_therapist(session, phone_availability={"tuesday": [["08:00", "18:00"]]})
            make_sent_email(session, therapist, [make_request(session, therapist)], at=NOW - timedelta(days=8))
    ways: dict[str, Way] = {f"chunks of {size}": lambda size=size: _book(sessions, size) for size in (100, 1)}
    compare(f"Booking calls, {name}", "calls/s", ways, setting=f"{CALLS} calls, 3 callers, synced commits")
    engine.dispose()


def _book(sessions: Sessions, chunk: int) -> float:
    with writing(sessions) as session:
        for model in (CallCell, PhoneCallBatch, PhoneCallEmail, PhoneCall, ContactState, ContactEntry, OutboxEvent):
            session.execute(delete(model))
        session.execute(update(Email).values(followed_up_at=None))

    def work() -> None:
        assert schedule_follow_up_calls(sessions, NOW, POLICY, chunk=chunk).scheduled == CALLS

    return speed(CALLS, work)
