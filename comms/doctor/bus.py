"""Kafka: do the brokers answer and let us in, and are the topics there?"""

from __future__ import annotations

from collections.abc import Iterator

from comms.bootstrap.events import OURS
from comms.config import Settings
from comms.doctor.findings import Finding, fault, ok, warning
from comms.gateways.kafka import list_topics
from comms.ports import BrokerAway
from comms.services.inbox.shapes import TOPICS

SUBJECT = "kafka"
CURE = "do the brokers run, and are KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL and the login right?"


def look(settings: Settings) -> Iterator[Finding]:
    """Ask the brokers of the settings; without any there is nothing to ask."""
    kafka = settings.get_kafka_settings()
    if kafka is None:
        yield ok(SUBJECT, "none is set, and none is needed")
        return
    try:
        found = list_topics(kafka)
    except BrokerAway as away:
        yield fault(SUBJECT, f"{kafka.security_protocol} to the brokers fails ({away.fault})", CURE)
        return
    yield ok(SUBJECT, f"the brokers answer over {kafka.security_protocol}")
    if missing := [topic for topic in (OURS, *TOPICS) if topic not in found]:
        words = f"cannot be seen: {', '.join(missing)}"
        yield warning("topics", words, "make them, or give this login the right to see them")
    else:
        yield ok("topics", "all four are there")
