"""Reading and writing topics as a program that is not ours: plain kafka-python."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def publish(servers: str, topic: str, messages: Iterable[tuple[str | None, bytes | None]]) -> None:
    """Write (key, value) pairs and wait until all are acknowledged."""
    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=5)
    try:
        futures = [producer.send(topic, value, key=key.encode() if key else None) for key, value in messages]
        producer.flush(30)
        for future in futures:
            future.get(10)
    finally:
        producer.close(timeout=1)


def read_all(servers: str, topic: str) -> list[tuple[int, int, bytes | None, bytes | None]]:
    """All that stands on a topic now, as (partition, offset, key, value), by partition and offset."""
    consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            return []
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        found: list[tuple[int, int, bytes | None, bytes | None]] = []
        while any(consumer.position(at) < ends[at] for at in partitions):
            for records in consumer.poll(timeout_ms=1_000).values():
                found += [(r.partition, r.offset, r.key, r.value) for r in records]
        return sorted(found, key=lambda record: record[:2])
    finally:
        consumer.close()


def events(servers: str, topic: str) -> list[dict[str, Any]]:
    """The events on a topic, in the order of each partition."""
    return [json.loads(value) for _, _, _, value in read_all(servers, topic) if value is not None]
