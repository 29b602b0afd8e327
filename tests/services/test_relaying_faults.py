"""The relay when something breaks at the worst moment; the topic is a list, so that the moment can be chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from comms.ports import BrokerAway, Message, Publication, Receipt
from comms.services.heartbeats import last_beats
from comms.services.relaying import Relay
from comms.services.relaying.heads import known_ends
from comms.store.models import Lease
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW
from tests.kafka.outbox import event_ids, unpublished, write


class Topic:
    """One partition in memory. `next` says what becomes of the next wave: ok, lost (written, but no answer), or late
    (no answer, and written only after somebody has looked)."""

    def __init__(self) -> None:
        self.values, self.late = list[bytes](), list[bytes]()
        self.next, self.away = "ok", False

    def publish(self, messages: Sequence[Message]) -> Publication:
        how, self.next = self.next, "ok"
        values = [message.value for message in messages]
        if how == "late":
            self.late = values
            return Publication((), "KafkaTimeout")
        first = len(self.values)
        self.values += values
        known = messages[len(messages) // 2 :] if how == "lost" else messages
        places = {message.row: first + place for place, message in enumerate(messages)}
        receipts = tuple(Receipt(message.row, 0, places[message.row]) for message in known)
        return Publication(receipts, "KafkaConnection" if how == "lost" else None)

    def read_since(self, offsets: Mapping[int, int]) -> tuple[list[bytes], dict[int, int]]:
        self.check()
        found, ends = self.values[offsets.get(0, 0) :], {0: len(self.values)}
        self.values, self.late = self.values + self.late, []
        return found, ends

    def check(self) -> None:
        if self.away:
            raise BrokerAway("KafkaConnection")

    def close(self) -> None: ...

    @property
    def ids(self) -> list[str]:
        return [json.loads(value)["eventId"] for value in self.values]


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def relay(sessions: Sessions, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.setattr("comms.services.relaying.relay.SETTLE", 0.0)
    return Relay(sessions, topic, "events", "relay")


def drain(relay: Relay, sessions: Sessions) -> None:
    for _ in range(10):
        relay.round()
    assert unpublished(sessions) == 0


def test_a_database_that_fails_between_acknowledgement_and_mark_makes_nothing_twice(
    sessions: Sessions, topic: Topic, relay: Relay
) -> None:
    relay.round()
    write(sessions, keys=50, each=1)

    def fail(_session: Session) -> None:
        if topic.values:
            raise OperationalError("COMMIT", {}, Exception("the database went away"))

    event.listen(sessions, "before_commit", fail)
    with pytest.raises(OperationalError):
        relay.round()
    event.remove(sessions, "before_commit", fail)
    drain(relay, sessions)
    assert sorted(topic.ids) == sorted(event_ids(sessions))


def test_an_acknowledgement_that_was_lost_is_found_on_the_topic(sessions: Sessions, topic: Topic, relay: Relay) -> None:
    write(sessions, keys=50, each=2)
    topic.next = "lost"
    assert relay.round().standing == "away"
    drain(relay, sessions)
    assert sorted(topic.ids) == sorted(event_ids(sessions))


def test_an_interrupted_wave_moves_no_mark_beyond_what_nobody_told_us_of(
    sessions: Sessions, topic: Topic, relay: Relay
) -> None:
    write(sessions, keys=10, each=1)
    topic.next = "lost"
    relay.round()
    with reading(sessions) as session:
        assert known_ends(session, "events") == {0: 0}


def test_what_a_broker_writes_a_moment_after_it_answers_again_is_not_written_twice(
    sessions: Sessions, topic: Topic, relay: Relay
) -> None:
    write(sessions, keys=50, each=1)
    topic.next = "late"
    assert relay.round().standing == "away"
    drain(relay, sessions)
    assert sorted(topic.ids) == sorted(event_ids(sessions))


def test_under_load_the_return_of_the_broker_is_told_at_once(sessions: Sessions, topic: Topic, relay: Relay) -> None:
    topic.away = True
    assert relay.round().standing == "away"
    topic.away = False
    write(sessions, keys=5, each=3)
    assert relay.round().published == 5
    with reading(sessions) as session:
        assert last_beats(session)["kafka"].state == "ok"


def test_who_lost_the_role_looks_at_the_topic_before_it_writes_again(
    sessions: Sessions, topic: Topic, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comms.services.relaying.relay.RENEW", 0.0)
    assert relay.round().standing == "active"
    with writing(sessions) as session:
        session.execute(update(Lease).values(until=NOW - timedelta(days=365)))
    write(sessions, keys=5, each=1)
    other = Relay(sessions, topic, "events", "other")
    topic.next = "lost"
    assert other.round().standing == "away"
    assert relay.round().standing == "standby"
    other.close()
    drain(relay, sessions)
    assert len(topic.ids) == 5
