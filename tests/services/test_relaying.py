"""The relay against a real broker: order per key, one at a time, nothing lost and nothing twice."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from comms.config.kafka import Kafka, KafkaSettings
from comms.gateways.kafka import KafkaPublisher
from comms.gateways.kafka.publisher import LARGEST
from comms.ports import BrokerAway, Message, Publication, Receipt
from comms.services.heartbeats import last_beats
from comms.services.relaying import Relay, sweep
from comms.services.relaying.heads import REFUSALS, load_heads
from comms.store.models import Lease, OutboxEvent
from comms.store.outbox import add_events
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, number
from tests.kafka.outbox import unpublished
from tests.servers.kafka import Broker, broker
from tests.servers.topics import events

WHENCE = {"correlationId", "causationId", "originIds"}


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


@pytest.fixture
def topic() -> str:
    return f"events-{number()}"


def settings_for(broker: Broker) -> KafkaSettings:
    found = Kafka(KAFKA_BOOTSTRAP_SERVERS=broker.servers).get_kafka_settings()
    assert found
    return found


@pytest.fixture
def publisher(kafka: Broker, topic: str) -> Iterator[KafkaPublisher]:
    made = KafkaPublisher(settings_for(kafka), topic)
    yield made
    made.close()


@pytest.fixture
def relay(sessions: Sessions, publisher: KafkaPublisher, topic: str) -> Relay:
    return Relay(sessions, publisher, topic, "relay-1")


def write(sessions: Sessions, keys: int, each: int) -> None:
    with writing(sessions) as session:
        for place in range(each):
            rows = ((f"email:{key}", {"email_id": key, "place": place}) for key in range(keys))
            add_events(session, "communication.email_created", rows, NOW)


def test_events_of_one_key_stand_on_the_topic_in_their_order(
    sessions: Sessions, relay: Relay, kafka: Broker, topic: str
) -> None:
    write(sessions, keys=40, each=5)
    done = sweep(relay, 10_000)
    assert (done.published, done.ended, unpublished(sessions)) == (200, "drained", 0)
    places = defaultdict(list)
    for event in events(kafka.servers, topic):
        places[event["payload"]["email_id"]].append(event["payload"]["place"])
    assert places == {key: [0, 1, 2, 3, 4] for key in range(40)}


def test_the_envelope_is_that_of_the_platform(sessions: Sessions, relay: Relay, kafka: Broker, topic: str) -> None:
    write(sessions, keys=1, each=1)
    sweep(relay, 10)
    [event] = events(kafka.servers, topic)
    assert set(event) == {"eventId", "eventType", "version", "timestamp", "producer", "payload", *WHENCE}
    assert (event["version"], event["producer"]) == ("1.0", "communication-service")
    assert event["timestamp"].endswith("+00:00")


def test_a_second_relay_stands_by_and_takes_over_when_the_first_lets_go(
    sessions: Sessions, relay: Relay, publisher: KafkaPublisher, topic: str
) -> None:
    write(sessions, keys=1, each=1)
    assert relay.round().standing == "active"
    second = Relay(sessions, publisher, topic, "relay-2")
    assert second.round().standing == "standby"
    relay.close()
    assert second.round().standing == "active"


def test_a_relay_that_is_silent_for_its_lease_is_replaced(
    sessions: Sessions, relay: Relay, publisher: KafkaPublisher, topic: str
) -> None:
    relay.round()
    with writing(sessions) as session:
        session.execute(update(Lease).values(until=NOW - timedelta(days=365)))
    assert Relay(sessions, publisher, topic, "relay-2").round().standing == "active"


def test_what_was_acknowledged_but_not_marked_is_found_on_the_topic_and_not_written_again(
    sessions: Sessions, publisher: KafkaPublisher, kafka: Broker, topic: str
) -> None:
    write(sessions, keys=300, each=1)
    with reading(sessions) as session:
        heads = load_heads(session, NOW, 300)
    assert len(publisher.publish(heads).receipts) == 300  # and here the process dies
    done = sweep(Relay(sessions, publisher, topic, "its successor"), 10_000)
    assert (done.recovered, done.published, unpublished(sessions)) == (300, 0, 0)
    assert len(events(kafka.servers, topic)) == 300


def test_a_long_backlog_of_few_keys_is_no_burden(sessions: Sessions) -> None:
    write(sessions, keys=20, each=400)
    began = time.perf_counter()
    with reading(sessions) as session:
        assert len(load_heads(session, NOW, 500)) == 20
    assert time.perf_counter() - began < 1, "each event is compared with each other one of its key"


def test_an_event_that_is_too_large_is_parked_and_its_key_goes_on(
    sessions: Sessions, relay: Relay, kafka: Broker, topic: str
) -> None:
    with writing(sessions) as session:
        add_events(session, "communication.email_created", [("email:1", {"x": "y" * (LARGEST + 1)})], NOW)
        add_events(session, "communication.email_sent", [("email:1", {"email_id": 1})], NOW)
    sweep(relay, 10)
    assert [event["eventType"] for event in events(kafka.servers, topic)] == ["communication.email_sent"]
    with reading(sessions) as session:
        assert session.scalars(select(OutboxEvent.parked_reason).order_by(OutboxEvent.id)).all() == ["too_large", None]


class Refusing:
    """A publisher whose broker refuses one key for ever."""

    def __init__(self, key: str) -> None:
        self.key, self.written = key, list[str]()

    def publish(self, messages: list[Message]) -> Publication:
        receipts = []
        for place, message in enumerate(messages):
            refused = "InvalidRecord" if message.key == self.key else None
            receipts.append(Receipt(message.row, None if refused else 0, place, refused))
            self.written += [] if refused else [message.key]
        return Publication(tuple(receipts))

    def check(self) -> None: ...

    def close(self) -> None: ...

    def read_since(self, offsets: object) -> tuple[list[bytes], dict[int, int]]:
        return [], {}


def test_a_head_that_is_refused_holds_back_only_its_own_key(sessions: Sessions) -> None:
    write(sessions, keys=3, each=2)
    publisher = Refusing("email:1")
    done = sweep(Relay(sessions, publisher, "t", "relay"), 100)
    assert sorted(publisher.written) == ["email:0", "email:0", "email:2", "email:2"]
    assert (done.refused, unpublished(sessions)) == (1, 2)


def test_what_is_refused_fifty_times_is_parked(sessions: Sessions) -> None:
    write(sessions, keys=1, each=1)
    relay = Relay(sessions, Refusing("email:0"), "t", "relay")
    for _ in range(REFUSALS):
        relay.round()
        with writing(sessions) as session:
            session.execute(update(OutboxEvent).values(next_attempt_at=None))
    with reading(sessions) as session:
        assert session.execute(select(OutboxEvent.attempts, OutboxEvent.parked_reason)).one() == (50, "InvalidRecord")


@pytest.mark.slow
def test_a_broker_that_is_away_costs_no_attempt_and_is_told_as_a_heartbeat(sessions: Sessions, topic: str) -> None:
    write(sessions, keys=1, each=1)
    publisher = KafkaPublisher(settings_for(Broker()), topic)
    done = sweep(Relay(sessions, publisher, topic, "relay"), 10)
    assert (done.ended, done.published) == ("away", 0)
    with reading(sessions) as session:
        assert session.scalar(select(OutboxEvent.attempts)) == 0
        assert last_beats(session)["kafka"].state == "failing"


@pytest.mark.slow
def test_a_broker_that_comes_back_gets_everything(sessions: Sessions, topic: str) -> None:
    away = Broker()
    publisher = KafkaPublisher(settings_for(away), topic)
    relay = Relay(sessions, publisher, topic, "relay")
    write(sessions, keys=5, each=2)
    assert relay.round().standing == "away"
    away.start()
    try:
        assert sweep(relay, 100).published == 10
        assert len(events(away.servers, topic)) == 10
    finally:
        publisher.close()
        away.kill()


def test_a_broker_that_lost_its_memory_does_not_stop_the_relay(sessions: Sessions, topic: str) -> None:
    forgetful = Broker()
    publisher = KafkaPublisher(settings_for(forgetful), topic)
    relay = Relay(sessions, publisher, topic, "relay")
    forgetful.start()
    try:
        write(sessions, keys=3, each=1)
        assert relay.round().published == 3
        forgetful.kill()
        forgetful.start()
        write(sessions, keys=3, each=1)
        rounds = [relay.round() for _ in range(4)]
        assert sum(each.published for each in rounds) == 3
        assert unpublished(sessions) == 0
    finally:
        publisher.close()
        forgetful.kill()


@pytest.mark.slow
def test_an_idle_relay_notices_that_the_broker_died(
    sessions: Sessions, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comms.services.relaying.relay.QUIET", 0.0)
    mortal = Broker()
    mortal.start()
    publisher = KafkaPublisher(settings_for(mortal), topic)
    relay = Relay(sessions, publisher, topic, "relay")
    try:
        write(sessions, keys=1, each=1)
        assert [relay.round().standing for _ in range(3)] == ["active"] * 3
        mortal.kill()
        assert relay.round().standing == "away"
    finally:
        publisher.close()
        mortal.kill()


def test_asking_a_broker_that_is_not_there_says_so(topic: str) -> None:
    with pytest.raises(BrokerAway):
        KafkaPublisher(settings_for(Broker()), topic).check()
