"""Reading topics as a member of a group. Offsets are committed by whoever has stored what was read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError

from comms.config.kafka import KafkaSettings
from comms.gateways.kafka.connecting import away, client_options, code_of
from comms.ports import BrokerAway, IncomingMessage

ANSWER_MS = 3_000
AT_ONCE = 500
"""Messages of one poll: one transaction of the inbox."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_FETCH = 8 * 1024 * 1024
FRESH_MS = 5_000
"""Topics that did not exist when we began are found after so long."""


class KafkaSource:
    """One consumer, made when it is needed and made anew after a fault."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._settings, self._topics = settings, tuple(topics)
        self._consumer: KafkaConsumer | None = None

    def poll(self, seconds: float) -> list[IncomingMessage]:
        """Wait for messages at most so long; BrokerAway where it cannot even begin to read."""
        consumer = self._connected()
        try:
            found = consumer.poll(timeout_ms=int(seconds * 1000), max_records=AT_ONCE)
        except (KafkaError, OSError) as error:
            raise self._away(error) from None
        return [_message(record) for records in found.values() for record in records]

    def commit(self) -> None:
        """Say that everything polled so far is ours."""
        assert self._consumer is not None
        try:
            self._consumer.commit(timeout_ms=ANSWER_MS)
        except (CommitFailedError, RebalanceInProgressError):
            return  # another member has these partitions now and reads them again: the inbox knows them
        except (KafkaError, OSError) as error:
            raise self._away(error) from None

    def behind(self) -> int:
        """Messages that stand on our partitions and were not polled yet; BrokerAway where nobody answers."""
        consumer = self._connected()
        try:
            ours = list(consumer.assignment())
            if not ours:
                return self._ask_anew()
            ends = consumer.end_offsets(ours, timeout_ms=ANSWER_MS)
            return sum(max(0, end - (consumer.position(at, timeout_ms=ANSWER_MS) or 0)) for at, end in ends.items())
        except (KafkaError, OSError) as error:
            raise self._away(error) from None

    def _ask_anew(self) -> int:
        """Nothing is ours yet. A new connection is the only question that this library waits for with an end."""
        KafkaConsumer(**client_options(self._settings)).close()
        return 0

    def close(self) -> None:
        """Leave the group; never raises."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError, OSError):
                consumer.close(autocommit=False, timeout_ms=ANSWER_MS)

    def _connected(self) -> KafkaConsumer:
        if self._consumer is None:
            try:
                self._consumer = KafkaConsumer(
                    *self._topics,
                    **client_options(self._settings),
                    group_id=self._settings.group_id,
                    session_timeout_ms=self._settings.session_timeout_ms,
                    heartbeat_interval_ms=self._settings.heartbeat_ms,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    metadata_max_age_ms=FRESH_MS,
                    fetch_max_wait_ms=200,
                    max_partition_fetch_bytes=LARGEST_FETCH,
                )
            except (KafkaError, OSError) as error:
                raise away(self._settings, error) from None
        return self._consumer

    def _away(self, error: BaseException) -> BrokerAway:
        self.close()
        return BrokerAway(code_of(error))


def _message(record: Any) -> IncomingMessage:
    return IncomingMessage(record.topic, record.partition, record.offset, _instant(record.timestamp), record.value)


def _instant(milliseconds: int) -> datetime:
    """A message's time is its producer's word and may be any number; where no calendar has it, this moment counts."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds) if milliseconds >= 0 else datetime.now(UTC)
    except OverflowError:
        return datetime.now(UTC)
