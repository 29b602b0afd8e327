"""The bus as the tests see it: what stands on it, how far a group came, and what our own events must look like."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kafka import KafkaConsumer, TopicPartition

from comms.cli.asyncapi import asyncapi
from comms.config.kafka import Kafka, KafkaSettings
from comms.services.inbox.shapes import TOPICS
from comms.services.published import PUBLISHED, PublishedEnvelope
from tests.servers.topics import events, read_all


def settings_for(servers: str, group: str = "tests") -> KafkaSettings:
    """Short times: the embedded broker answers a group only after half the session timeout."""
    found = Kafka(
        KAFKA_BOOTSTRAP_SERVERS=servers,
        COMMS_KAFKA_SESSION_TIMEOUT_MS=2000,
        COMMS_KAFKA_HEARTBEAT_MS=500,
        COMMS_KAFKA_GROUP=group,
    ).get_kafka_settings()
    assert found
    return found


@dataclass(frozen=True)
class Bus:
    """The platform's topics under names of their own."""

    servers: str
    name: str

    @property
    def topics(self) -> list[str]:
        return [f"{topic}-{self.name}" for topic in TOPICS]

    @property
    def settings(self) -> KafkaSettings:
        return settings_for(self.servers, self.name)

    def lag(self) -> int:
        """Messages that stand on the topics behind what the group has committed."""
        ends: dict[TopicPartition, int] = {}
        for topic in self.topics:
            for partition, offset, _, _ in read_all(self.servers, topic):
                ends[TopicPartition(topic, partition)] = offset + 1
        reader = KafkaConsumer(bootstrap_servers=self.servers, group_id=self.name, enable_auto_commit=False)
        try:
            return sum(end - (reader.committed(at) or 0) for at, end in ends.items())
        finally:
            reader.close()


@dataclass(frozen=True)
class Standing:
    """What stands on our own topic: each event is held against its documented shape as it is read."""

    events: list[dict[str, Any]]

    @property
    def ids(self) -> set[str]:
        return {event["eventId"] for event in self.events}

    @property
    def repeats(self) -> int:
        """How many stand there again, under the same id and with the same content."""
        by_id: dict[str, dict[str, Any]] = {}
        for event in self.events:
            assert by_id.setdefault(event["eventId"], event) == event
        return len(self.events) - len(by_id)

    @property
    def inversions(self) -> int:
        """How often an event stands before an older one of its key; `at` is the instant that `write` gave it."""
        latest: dict[str, str] = defaultdict(str)
        seen: set[str] = set()
        found = 0
        for event in self.events:
            if event["eventId"] in seen:
                continue
            seen.add(event["eventId"])
            key = f"email:{event['payload']['email_id']}"
            found += event["payload"]["sent_at"] < latest[key]
            latest[key] = max(latest[key], event["payload"]["sent_at"])
        return found


def standing(servers: str, topic: str) -> Standing:
    found = events(servers, topic)
    for event in found:
        check(event)
    return Standing(found)


@cache
def _document() -> dict[str, Any]:
    return asyncapi()


def check(event: dict[str, Any]) -> None:
    """Hold an event of ours against its shape, in code and as `docs/asyncapi.yaml` has it."""
    PublishedEnvelope.model_validate_json(json.dumps(event))
    PUBLISHED[event["eventType"]].model_validate_json(json.dumps(event["payload"]))
    components = _document()["components"]
    schema = components["messages"][event["eventType"]]["payload"] | {"components": components}
    Draft202012Validator(schema).validate(event)
