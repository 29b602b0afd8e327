"""Events published per second: the relay against one `send().get()` per event."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from kafka import KafkaProducer
from sqlalchemy import select, text

from benchmarks.harness import Way, compare, speed
from comms.gateways.kafka import KafkaPublisher
from comms.services.relaying import Relay, sweep
from comms.services.relaying.envelope import Stored, envelope
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.models import OutboxEvent, TopicMark
from comms.store.outbox import add_events
from comms.store.session import Sessions, make_sessions, writing
from tests.kafka.bus import settings_for
from tests.servers.kafka import broker
from tests.servers.postgres import database, postgres_server

EMAILS = 2_000
EACH = 3
"""Events of one email: created, sent, answered."""

FEW = 300
"""Events of the slow ways."""

_topics = count(1)


def main() -> None:
    with broker() as kafka, tempfile.TemporaryDirectory() as folder:
        _measure("SQLite", f"sqlite:///{folder}/comms.db", kafka.servers)
        with postgres_server(Path(folder), durable=True) as server, database(server) as url:
            _measure("PostgreSQL", url, kafka.servers)


def _measure(name: str, url: str, servers: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    sessions = make_sessions(engine)
    ways: dict[str, Way] = {
        "relay": lambda: _relay(sessions, servers),
        "send().get() and a commit for each": lambda: _one_by_one(sessions, servers, marks=True),
        "send().get() for each, nothing marked": lambda: _one_by_one(sessions, servers, marks=False),
    }
    setting = f"{EMAILS * EACH:,} events of {EMAILS:,} keys, acks=all, idempotent, synced commits"
    compare(f"Relaying, {name}", "events/s", ways, rounds=7, setting=setting)
    engine.dispose()


def _write(sessions: Sessions) -> None:
    now = datetime.now(UTC)
    with writing(sessions) as session:
        for kind in ("created", "sent", "failed")[:EACH]:
            payload = {"therapist_id": 101, "placement_request_ids": [301, 302, 303], "reason": "no_such_mailbox"}
            rows = ((f"email:{id_}", payload | {"email_id": id_}) for id_ in range(1, EMAILS + 1))
            add_events(session, f"communication.email_{kind}", rows, now)


def _relay(sessions: Sessions, servers: str) -> float:
    """From the outbox to the topic, with everything that belongs to it; the connection is there, as in a relay."""
    _write_anew(sessions)
    topic = _topic()
    relay = Relay(sessions, KafkaPublisher(settings_for(servers), topic), topic, "benchmark")
    relay.round(1)

    def work() -> None:
        done = sweep(relay, EMAILS * EACH)
        assert done.published == EMAILS * EACH - 1, done

    return speed(EMAILS * EACH - 1, work)


def _one_by_one(sessions: Sessions, servers: str, *, marks: bool) -> float:
    _write_anew(sessions)
    topic = _topic()
    producer = KafkaProducer(bootstrap_servers=servers, acks="all")
    producer.send(topic, b"{}").get(10)

    def work() -> None:
        with sessions() as session:
            for event in session.scalars(select(OutboxEvent).order_by(OutboxEvent.id).limit(FEW)):
                producer.send(topic, envelope(_stored(event)), event.key.encode()).get(10)
                if marks:
                    event.published_at = datetime.now(UTC)
                    session.commit()

    try:
        return speed(FEW, work)
    finally:
        producer.close()


def _stored(event: OutboxEvent) -> Stored:
    as_json = {name: json.dumps(getattr(event, name)) for name in ("origin_ids", "payload")}
    same = ("event_id", "event_type", "created_at", "correlation_id", "causation_id")
    return Stored(**{name: getattr(event, name) for name in same}, **as_json)


def _topic() -> str:
    """A new one each time: what stood on it would be read."""
    return f"benchmark-{next(_topics)}"


def _write_anew(sessions: Sessions) -> None:
    """Not marked again as unpublished: the rows of earlier rounds would stand between, dead, as in no outbox."""
    with writing(sessions) as session:
        emptying = "TRUNCATE" if session.get_bind().dialect.name == "postgresql" else "DELETE FROM"
        for model in (OutboxEvent, TopicMark):
            session.execute(text(f"{emptying} {model.__tablename__}"))
    _write(sessions)


if __name__ == "__main__":
    main()
