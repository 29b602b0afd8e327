"""Reading the end of a topic: what stands behind an offset, once and for one purpose."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

TAIL = 5_000
"""Messages of each partition that are read where nobody noted how far we had come."""

ANSWER_MS = 3_000
SILENCE = 6.0
"""Seconds without a message after which the broker counts as away."""


def read_tail(
    consumer: KafkaConsumer, partitions: Sequence[TopicPartition], offsets: Mapping[int, int]
) -> tuple[list[bytes], dict[int, int]]:
    """Read from these offsets, or the last thousands of a partition, to where it ends now; KafkaError."""
    consumer.assign(partitions)
    first = consumer.beginning_offsets(partitions, timeout_ms=ANSWER_MS)
    end = consumer.end_offsets(partitions, timeout_ms=ANSWER_MS)
    for at in partitions:
        consumer.seek(at, min(end[at], max(first[at], offsets.get(at.partition, end[at] - TAIL))))
    return _read_to(consumer, end), {at.partition: end[at] for at in partitions}


def _read_to(consumer: KafkaConsumer, end: Mapping[TopicPartition, int]) -> list[bytes]:
    found: list[bytes] = []
    until = time.monotonic() + SILENCE
    while any((consumer.position(at, timeout_ms=1_000) or 0) < last for at, last in end.items()):
        polled = consumer.poll(timeout_ms=500)
        if polled:
            until = time.monotonic() + SILENCE
        elif time.monotonic() > until:
            raise KafkaTimeoutError("the end of the topic cannot be read")
        found += [record.value for records in polled.values() for record in records if record.value is not None]
    return found
