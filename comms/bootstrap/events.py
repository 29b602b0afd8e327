"""The steps that speak with Kafka, and those that apply what came from it. Without brokers they say so."""

from __future__ import annotations

import os
import socket
import uuid

from comms.bootstrap.parts import correspondence, sessions, settings
from comms.bootstrap.steps import Step, step
from comms.config.kafka import KafkaSettings
from comms.errors import ConfigurationError
from comms.services import batching, job_runs
from comms.services.inbox import fresh_requests, handle_events
from comms.services.inbox.launching import Launch, Launcher
from comms.services.inbox.shapes import TOPICS
from comms.services.planning import therapists_of
from comms.services.relaying import Relay, sweep
from comms.store.engines import clock
from comms.store.session import reading

RELAY_EVENTS, HANDLE_EVENTS = job_runs.RELAY_EVENTS, job_runs.HANDLE_EVENTS
OURS = "communication-events"
NO_KAFKA = "KAFKA_BOOTSTRAP_SERVERS: not set, so there is no Kafka; name the brokers, HOST:PORT with commas between"


def require_kafka() -> KafkaSettings:
    """How to reach the brokers; ConfigurationError where there are none."""
    kafka = settings().get_kafka_settings()
    if kafka is None:
        raise ConfigurationError([NO_KAFKA])
    return kafka


def make_relay(kafka: KafkaSettings) -> Relay:
    """A relay for this process."""
    from comms.gateways.kafka import KafkaPublisher

    return Relay(sessions(), KafkaPublisher(kafka, OURS), OURS, _owner())


def make_launcher(kafka: KafkaSettings, launch: Launch | None) -> Launcher:
    """A launcher for this process; without `launch` it keeps what comes in for whoever handles it."""
    from comms.gateways.kafka import KafkaSource

    return Launcher(sessions(), KafkaSource(kafka, TOPICS), launch)


@step
def relay_events(run: Step, limit: int) -> Step:
    """Publish what waits in the outbox, unless a relay is at work."""
    kafka = settings().get_kafka_settings()
    if kafka is None:
        return {"published": 0, "ended": "not_configured"}
    return vars(sweep(make_relay(kafka), limit))


@step
def handle_inbox(run: Step, limit: int) -> Step:
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


@step
def write_at_once(run: Step, applied: Step) -> Step:
    """Write to the therapists of fresh requests now, by the same rules as the daily batch, where the settings say so.

    Also of those whose facts came later, and of those whose run died before it wrote. While another run is at work,
    they are that one's.
    """
    given = settings()
    if not given.batch_on_match or applied["ended"] == "standby":
        return {"emails": 0, "ended": "standby" if given.batch_on_match else "not_wanted"}
    with reading(sessions()) as session:
        at = clock(session)
        therapists = therapists_of(session, fresh_requests(session, at))
    policy = given.contact_policy()
    decisions = batching.plan_run(sessions(), at, policy, run["key"], therapist_ids=therapists)
    emails = 0
    for chunk in batching.chunks_of(decisions, batching.CHUNK_SIZE):
        created = batching.create_batch_emails(sessions(), chunk, at, policy, correspondence(), run["key"])
        emails += len(created.emails)
    return {"emails": emails, "ended": "done"}


def _owner() -> str:
    """Names this process among all relays."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
