"""Emails per second out of open requests: a chunk a transaction against an email a transaction."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import delete, update

from benchmarks.harness import Way, compare, speed
from comms.rules.policy import ContactPolicy, Identity
from comms.services.batching import process_pending_requests
from comms.services.correspondence import Correspondence
from comms.services.letters.render import Letters
from comms.services.planning import plan_next_batch
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.models import (
    ContactEntry,
    ContactState,
    Email,
    EmailBatch,
    OutboxEvent,
    PlacementRequest,
    PlanDecision,
)
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import make_patient, make_request, make_therapist
from tests.servers.postgres import database, postgres_server

THERAPISTS = 200
REQUESTS = 6
IDENTITY = Identity(
    sender="vermittlung@platzsuche.example",
    sender_name="Vermittlung",
    reply_to="antwort@platzsuche.example",
    unsubscribe="abmeldung@platzsuche.example",
    legal_footer="Platzsuche gGmbH, Berlin",
    organisation="Platzsuche",
)


def main() -> None:
    for name, url in _engines():
        engine = make_engine(url)
        upgrade(engine)
        sessions = make_sessions(engine)
        _fill(sessions)
        ways: dict[str, Way] = {
            "plan alone": lambda sessions=sessions: speed(THERAPISTS, lambda: _plan(sessions)),
            "chunks of 50": lambda sessions=sessions: _batch(sessions, 50),
            "one by one": lambda sessions=sessions: _batch(sessions, 1),
        }
        setting = f"{THERAPISTS} emails of 5 patients out of {THERAPISTS * REQUESTS} requests, synced commits"
        compare(f"Batching, {name}", "emails/s", ways, setting=setting)
        engine.dispose()


def _engines() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        yield "SQLite", f"sqlite:///{folder}/comms.db"
        with _postgresql(Path(folder)) as url:
            yield "PostgreSQL", url


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    with postgres_server(folder, durable=True) as server, database(server) as url:
        yield url


def _fill(sessions: Sessions) -> None:
    with writing(sessions) as session:
        for _ in range(THERAPISTS):
            therapist = make_therapist(session)
            for number in range(REQUESTS):
                registered = date(2026, 1, 1) + timedelta(days=number)
                make_request(session, therapist, make_patient(session, registered_on=registered))


def _plan(sessions: Sessions) -> None:
    with reading(sessions) as session:
        assert len(plan_next_batch(session, datetime.now(UTC), ContactPolicy())) == THERAPISTS


def _batch(sessions: Sessions, chunk_size: int) -> float:
    _open_again(sessions)
    correspondence = Correspondence(Letters(None), IDENTITY, ZoneInfo("Europe/Berlin"))
    now, policy = datetime.now(UTC), ContactPolicy()

    def work() -> None:
        report = process_pending_requests(sessions, now, policy, correspondence, "bench", chunk_size=chunk_size)
        assert len(report.emails) == THERAPISTS

    return speed(THERAPISTS, work)


def _open_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        for model in (PlanDecision, EmailBatch, Email, ContactState, ContactEntry, OutboxEvent):
            session.execute(delete(model))
        session.execute(update(PlacementRequest).values(status="open"))
