"""Reading from a real broker: nothing is skipped that nobody committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from kafka import KafkaProducer

from comms.config.kafka import Kafka, KafkaSettings
from comms.gateways.kafka import KafkaSource
from comms.ports import BrokerAway, IncomingMessage
from tests.factories import number
from tests.local_stack.parts import becomes_true
from tests.servers.kafka import Broker, broker
from tests.servers.topics import publish

Opener = Callable[[], KafkaSource]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def settings_for(broker: Broker) -> KafkaSettings:
    """Short times: this broker answers a group only after half the session timeout."""
    found = Kafka(
        KAFKA_BOOTSTRAP_SERVERS=broker.servers,
        COMMS_KAFKA_SESSION_TIMEOUT_MS=2000,
        COMMS_KAFKA_HEARTBEAT_MS=500,
        COMMS_KAFKA_GROUP=f"group-{number()}",
    ).get_kafka_settings()
    assert found
    return found


@pytest.fixture
def topic() -> str:
    return f"matching-{number()}"


@pytest.fixture
def opened(kafka: Broker, topic: str) -> Iterator[Opener]:
    settings, sources = settings_for(kafka), list[KafkaSource]()

    def make() -> KafkaSource:
        sources.append(KafkaSource(settings, [topic]))
        return sources[-1]

    yield make
    for source in sources:
        source.close()


def read(source: KafkaSource, count: int) -> list[IncomingMessage]:
    found: list[IncomingMessage] = []

    def enough() -> bool:
        found.extend(source.poll(0.5))
        return len(found) >= count

    assert becomes_true(enough, 20)
    return found


def test_messages_come_with_their_coordinates(kafka: Broker, topic: str, opened: Opener) -> None:
    publish(kafka.servers, topic, [("1", b"one"), ("1", None), ("1", b"three")])
    found = read(opened(), 3)
    assert [message.value for message in found] == [b"one", None, b"three"]
    assert [message.offset for message in found] == [found[0].offset + step for step in range(3)]
    assert {message.topic for message in found} == {topic}


def test_a_message_of_a_producer_whose_clock_is_mad_is_read_and_happened_now(
    kafka: Broker, topic: str, opened: Opener
) -> None:
    began = datetime.now(UTC)
    producer = KafkaProducer(bootstrap_servers=kafka.servers)
    producer.send(topic, b"one", timestamp_ms=2**62).get(10)
    producer.close()
    [found] = read(opened(), 1)
    assert found.value == b"one"
    assert began <= found.at <= datetime.now(UTC)


def test_what_was_not_committed_comes_again_and_what_was_does_not(kafka: Broker, topic: str, opened: Opener) -> None:
    publish(kafka.servers, topic, [("1", b"one")])
    first = opened()
    read(first, 1)
    first.close()
    second = opened()
    assert [message.value for message in read(second, 1)] == [b"one"]
    second.commit()
    second.close()
    publish(kafka.servers, topic, [("1", b"two")])
    assert [message.value for message in read(opened(), 1)] == [b"two"]


def test_it_says_how_far_it_is_behind(kafka: Broker, topic: str, opened: Opener) -> None:
    publish(kafka.servers, topic, [("1", b"x")] * 3)
    source = opened()
    read(source, 3)
    publish(kafka.servers, topic, [("1", b"y")] * 2)
    assert source.behind() > 0  # this broker counts the messages of its last batch as one
    read(source, 2)
    assert source.behind() == 0


def test_a_broker_that_is_not_there_is_named_by_a_code() -> None:
    with pytest.raises(BrokerAway) as raised:
        KafkaSource(settings_for(Broker()), ["t"]).poll(0.1)
    assert raised.value.fault.isidentifier()


def test_a_broker_that_stops_answering_before_it_gave_us_partitions_is_noticed(topic: str) -> None:
    frozen = Broker()
    frozen.start()
    source = KafkaSource(settings_for(frozen), [topic])
    try:
        assert source.poll(0) == []
        frozen.freeze()
        with pytest.raises(BrokerAway):
            source.behind()
    finally:
        frozen.kill()
        source.close()


def test_a_broker_that_goes_away_is_noticed(topic: str) -> None:
    short_lived = Broker()
    short_lived.start()
    source = KafkaSource(settings_for(short_lived), [topic])
    publish(short_lived.servers, topic, [("1", b"one")])
    read(source, 1)
    short_lived.kill()
    with pytest.raises(BrokerAway):
        source.behind()
