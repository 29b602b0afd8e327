"""Writing to a topic: acknowledged by all replicas, idempotent, in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import (
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from comms.config.kafka import KafkaSettings
from comms.gateways.kafka.connecting import client_options, code_of
from comms.ports import BrokerAway, Message, Publication, Receipt

BLOCK_MS = 3_000
DELIVERY_MS = 6_000
"""So long the library itself tries again; after it the producer is made anew."""

LARGEST = 1_000_000
"""Bytes of one message; brokers refuse 1,048,588 with all that belongs to it."""

TAIL = 5_000
"""Messages of each partition that are read where nobody noted how far we had come."""

OF_THE_MESSAGE = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError, InvalidTimestampError)
"""Refusals that another message would not meet; anything else is the channel's."""


class KafkaPublisher:
    """One producer, made when it is needed and made anew after any fault of the channel."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._settings, self._topic = settings, topic
        self._producer: KafkaProducer | None = None

    def publish(self, messages: Sequence[Message]) -> Publication:
        """Write all and wait for every acknowledgement; BrokerAway where nothing was written."""
        producer = self._connected()
        futures, receipts, fault = [], [], None
        for message in messages:
            if len(message.value) > LARGEST:
                receipts.append(Receipt(message.row, refused="too_large"))
                continue
            try:
                futures.append((message.row, producer.send(self._topic, message.value, message.key.encode())))
            except KafkaError as error:
                fault = code_of(error)
                break
        fault = self._flush(producer) or fault
        settled = [_settled(row, future) for row, future in futures]
        receipts += [receipt for receipt in settled if isinstance(receipt, Receipt)]
        interrupted = fault or next((code for code in settled if isinstance(code, str)), None)
        if interrupted:
            self.close()
        return Publication(tuple(receipts), interrupted)

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            try:
                self._producer = KafkaProducer(
                    **client_options(self._settings),
                    acks="all",
                    enable_idempotence=True,
                    compression_type=None,
                    linger_ms=5,
                    batch_size=256 * 1024,
                    max_block_ms=BLOCK_MS,
                    request_timeout_ms=BLOCK_MS,
                    delivery_timeout_ms=DELIVERY_MS,
                )
            except (KafkaError, OSError) as error:
                raise BrokerAway(code_of(error)) from None
        return self._producer

    @staticmethod
    def _flush(producer: KafkaProducer) -> str | None:
        try:
            producer.flush(timeout=DELIVERY_MS / 1000 + 2)
        except KafkaError as error:
            return code_of(error)
        return None

    def check(self) -> None:
        """Ask for the topic's partitions; BrokerAway where nobody answers."""
        producer = self._connected()
        try:
            producer.partitions_for(self._topic)
        except KafkaError as error:
            self.close()
            raise BrokerAway(code_of(error)) from None

    def read_since(self, offsets: Mapping[int, int]) -> tuple[list[bytes], dict[int, int]]:
        """Read what stands on the topic from these offsets on (or its last thousands), and where it ends now."""
        consumer = None
        try:
            consumer = KafkaConsumer(
                **client_options(self._settings), enable_auto_commit=False, request_timeout_ms=DELIVERY_MS
            )
            return self._read(consumer, offsets)
        except (KafkaError, OSError) as error:
            raise BrokerAway(code_of(error)) from None
        finally:
            if consumer is not None:
                consumer.close()

    def _read(self, consumer: KafkaConsumer, offsets: Mapping[int, int]) -> tuple[list[bytes], dict[int, int]]:
        partitions = [
            TopicPartition(self._topic, number) for number in consumer.partitions_for_topic(self._topic) or ()
        ]
        if not partitions:
            return [], {}
        consumer.assign(partitions)
        first, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for at in partitions:
            consumer.seek(at, min(end[at], max(first[at], offsets.get(at.partition, end[at] - TAIL))))
        found: list[bytes] = []
        while any(consumer.position(at) < end[at] for at in partitions):
            for records in consumer.poll(timeout_ms=BLOCK_MS).values():
                found += [record.value for record in records if record.value is not None]
        return found, {at.partition: end[at] for at in partitions}

    def close(self) -> None:
        """Forget the connection; never raises."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=0)


def _settled(row: int, future: Any) -> Receipt | str:
    """A receipt, or the code of a fault of the channel."""
    if future.succeeded():
        return Receipt(row, future.value.partition, future.value.offset)
    error = future.exception if future.failed() else None
    if isinstance(error, OF_THE_MESSAGE):
        return Receipt(row, refused=code_of(error))
    return code_of(error) if error else "unanswered"
