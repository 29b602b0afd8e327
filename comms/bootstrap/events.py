"""The steps that speak with Kafka, and those that apply what came from it. Without brokers they say so."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable

from comms.bootstrap.jobs import Step
from comms.bootstrap.parts import sessions, settings
from comms.errors import Conflict
from comms.services.inbox import handle_events
from comms.services.inbox.launching import Launcher
from comms.services.inbox.shapes import TOPICS
from comms.services.relaying import Relay, sweep

RELAY_EVENTS, HANDLE_EVENTS = "relay-events", "handle-matching-events"
OURS = "communication-events"
NO_KAFKA = "there is no Kafka: KAFKA_BOOTSTRAP_SERVERS is not set"


def make_relay() -> Relay | None:
    """A relay for this process; None where there is no Kafka."""
    from comms.gateways.kafka import KafkaPublisher

    kafka = settings().get_kafka_settings()
    return Relay(sessions(), KafkaPublisher(kafka, OURS), OURS, _owner()) if kafka else None


def require_relay() -> Relay:
    """Conflict where there is no Kafka."""
    relay = make_relay()
    if relay is None:
        raise Conflict(NO_KAFKA)
    return relay


def make_launcher(launch: Callable[[str], None]) -> Launcher:
    """Conflict where there is no Kafka."""
    from comms.gateways.kafka import KafkaSource

    kafka = settings().get_kafka_settings()
    if kafka is None:
        raise Conflict(NO_KAFKA)
    return Launcher(sessions(), KafkaSource(kafka, TOPICS), launch)


def relay_events(limit: int) -> Step:
    """Publish what waits in the outbox, unless a relay is at work."""
    relay = make_relay()
    if relay is None:
        return {"published": 0, "ended": "not_configured"}
    return vars(sweep(relay, limit))


def handle_inbox(limit: int) -> Step:
    """Apply what the platform said."""
    done = handle_events(sessions(), limit)
    return {
        "applied": dict(done.applied.most_common()),
        "older": done.older,
        "unchanged": done.unchanged,
        "failed": done.failed,
        "dead": done.dead,
        "waiting": done.waiting,
        "new_request_ids": sorted(done.new_requests),
        "ended": done.ended,
    }


def _owner() -> str:
    """Names this process among all relays."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
