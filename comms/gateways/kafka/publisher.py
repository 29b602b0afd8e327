"""Writing to a topic: acknowledged by all replicas, idempotent, in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from comms.gateways.kafka.connecting import away, client_options, code_of
from comms.gateways.kafka.tail import TAIL, read_tail
from comms.ports import BrokerAway, Message, Publication, Receipt

LINGER_MS = 50
"""The library's thread keeps still while a wave is handed over; what ends the wait is `flush`."""

BLOCK_MS = 3_000
"""So long a wave is handed to the library, and so long one answer is waited for."""

DELIVERY_MS = 6_000
"""So long the library itself tries again; after it the producer is made anew."""

LONGEST = (BLOCK_MS + DELIVERY_MS) / 1000 + 1.0
"""Seconds that `publish` takes at most, once it was connected."""

LARGEST = 1_000_000
"""Bytes of one message; brokers refuse 1,048,588 with all that belongs to it."""

OF_THE_MESSAGE = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError, InvalidTimestampError)
"""Refusals that another message would not meet; anything else is the channel's."""


class KafkaPublisher:
    """One producer, made when it is needed and made anew after any fault of the channel."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._settings, self._topic = settings, topic
        self._producer: KafkaProducer | None = None

    def publish(self, messages: Sequence[Message]) -> Publication:
        """Write all and wait for every acknowledgement; BrokerAway where nothing was written."""
        producer, until = self._connected(), time.monotonic() + LONGEST
        receipts = [Receipt(message.row, refused="too_large") for message in messages if _too_large(message)]
        futures, fault = self._hand_over(producer, [message for message in messages if not _too_large(message)])
        fault = _flush(producer, until) or fault
        settled = [_settled(row, future) for row, future in futures]
        receipts += [receipt for receipt in settled if isinstance(receipt, Receipt)]
        interrupted = fault or next((code for code in settled if isinstance(code, str)), None)
        if interrupted:
            self.close()
        return Publication(tuple(receipts), interrupted)

    def _hand_over(
        self, producer: KafkaProducer, messages: Sequence[Message]
    ) -> tuple[list[tuple[int, Any]], str | None]:
        """Give the library what it takes in the time; the rest comes with the next wave."""
        futures: list[tuple[int, Any]] = []
        until = time.monotonic() + BLOCK_MS / 1000
        for message in messages:
            if time.monotonic() > until:
                break
            try:
                futures.append((message.row, producer.send(self._topic, message.value, message.key.encode())))
            except KafkaError as error:
                return futures, code_of(error)
        return futures, None

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            try:
                self._producer = KafkaProducer(
                    **client_options(self._settings),
                    acks="all",
                    enable_idempotence=True,
                    compression_type=None,
                    linger_ms=LINGER_MS,
                    batch_size=256 * 1024,
                    max_block_ms=BLOCK_MS,
                    request_timeout_ms=BLOCK_MS,
                    delivery_timeout_ms=DELIVERY_MS,
                )
            except (KafkaError, OSError) as error:
                raise away(self._settings, error) from None
        return self._producer

    def check(self) -> None:
        """Ask where the topic begins; BrokerAway where nobody answers."""
        with self._reader() as (consumer, partitions):  # the producer would answer from memory
            consumer.beginning_offsets(partitions, timeout_ms=BLOCK_MS)

    def read_since(self, offsets: Mapping[int, int]) -> tuple[list[bytes], dict[int, int]]:
        """Read what stands on the topic from these offsets on (or its last thousands), and where it ends now.

        Connects for `publish` besides.
        """
        with self._reader() as (consumer, partitions):
            return read_tail(consumer, partitions, offsets)

    @contextmanager
    def _reader(self) -> Iterator[tuple[KafkaConsumer, list[TopicPartition]]]:
        """A consumer of no group, for a moment, and what it may ask for; what it cannot do is the broker's absence.

        The producer is asked for the partitions: consumers wait for that answer without an end.
        """
        consumer, producer = None, self._connected()
        try:
            partitions = [TopicPartition(self._topic, number) for number in producer.partitions_for(self._topic)]
            options = client_options(self._settings)
            consumer = KafkaConsumer(
                **options, enable_auto_commit=False, request_timeout_ms=DELIVERY_MS, max_poll_records=TAIL
            )
            yield consumer, partitions
        except (KafkaError, OSError) as error:
            self.close()
            raise BrokerAway(code_of(error)) from None
        finally:
            if consumer is not None:
                consumer.close(timeout_ms=BLOCK_MS)

    def close(self) -> None:
        """Forget the connection and what is still unanswered; never raises."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=0)
        except KafkaError:  # it still waits for answers, and would go on delivering from its thread
            producer._sender.force_close()
            producer._sender.wakeup()


def _too_large(message: Message) -> bool:
    return len(message.value) > LARGEST


def _flush(producer: KafkaProducer, until: float) -> str | None:
    try:
        producer.flush(timeout=max(0.0, until - time.monotonic()))
    except KafkaError as error:
        return code_of(error)
    return None


def _settled(row: int, future: Any) -> Receipt | str:
    """A receipt, or the code of a fault of the channel."""
    if future.succeeded():
        return Receipt(row, future.value.partition, future.value.offset)
    error = future.exception if future.failed() else None
    if isinstance(error, OF_THE_MESSAGE):
        return Receipt(row, refused=code_of(error))
    return code_of(error) if error else "unanswered"
