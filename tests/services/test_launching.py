"""The launcher between a topic and the inbox: stored before committed, launched for the lot, nothing lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, update

from comms.errors import Temporary
from comms.ports import BrokerAway, IncomingMessage
from comms.services.heartbeats import last_beats
from comms.services.inbox import handle_events
from comms.services.inbox.launching import GATHER, SWEEP, Launcher
from comms.store.models import InboxEvent
from comms.store.session import Sessions, reading, writing
from tests.factories import number
from tests.services.messages import event


class Script:
    """A source that gives what it is told to; `log` says in which order everything happened."""

    def __init__(self, *polls: list[IncomingMessage] | BrokerAway) -> None:
        self.polls, self.log = list(polls), list[str]()
        self.stored: int | None = None
        self.sessions: Sessions | None = None

    def poll(self, seconds: float) -> list[IncomingMessage]:
        given = self.polls.pop(0) if self.polls else []
        if isinstance(given, BrokerAway):
            raise given
        return given

    def commit(self) -> None:
        assert self.sessions
        with reading(self.sessions) as session:
            self.stored = session.scalar(select(func.count()).select_from(InboxEvent))
        self.log.append("commit")

    def behind(self) -> int:
        return 0

    def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """`clock[0]` is what the launcher takes for the time."""
    now = [1000.0]
    monkeypatch.setattr("comms.services.inbox.launching.time.monotonic", lambda: now[0])
    return now


def launcher(sessions: Sessions, script: Script) -> tuple[Launcher, list[str]]:
    script.sessions = sessions
    launched: list[str] = []

    def launch(key: str) -> None:
        script.log.append("launch")
        launched.append(key)

    return Launcher(sessions, script, launch), launched


def patients(count: int) -> list[IncomingMessage]:
    return [event("patient.created", patient_id=number()) for _ in range(count)]


def test_messages_are_stored_then_committed_then_launched(sessions: Sessions, clock: list[float]) -> None:
    script = Script(patients(3))
    turn = launcher(sessions, script)[0].turn(0)
    assert (turn.received.new, turn.launched) == (3, True)
    assert (script.stored, script.log) == (3, ["commit", "launch"])


def test_a_burst_makes_few_runs(sessions: Sessions, clock: list[float]) -> None:
    script = Script(*[patients(2) for _ in range(50)])
    starter, launched = launcher(sessions, script)
    for _ in range(50):
        starter.turn(0)
        clock[0] += GATHER / 20
    assert 2 <= len(launched) <= 3


def test_what_waits_is_launched_again_after_a_while_and_what_is_handled_is_not(
    sessions: Sessions, clock: list[float]
) -> None:
    starter, launched = launcher(sessions, Script(patients(1)))
    starter.turn(0)
    clock[0] += GATHER + 1
    starter.turn(0)
    assert len(launched) == 1
    clock[0] += SWEEP
    starter.turn(0)
    assert len(launched) == 2
    handle_events(sessions)
    clock[0] += SWEEP
    starter.turn(0)
    assert len(launched) == 2


def test_where_nobody_takes_the_run_the_events_wait(sessions: Sessions, clock: list[float]) -> None:
    script = Script(patients(1))
    script.sessions = sessions
    away = [True]

    def launch(key: str) -> None:
        if away[0]:
            raise Temporary("Prefect does not answer")

    starter = Launcher(sessions, script, launch)
    assert starter.turn(0).fault == "temporary"
    away[0] = False
    clock[0] += GATHER + 1
    assert starter.turn(0).launched


def test_a_broker_that_is_away_is_told_and_what_waits_is_launched_all_the_same(
    sessions: Sessions, clock: list[float]
) -> None:
    starter, launched = launcher(sessions, Script(patients(1), BrokerAway("KafkaConnection")))
    starter.turn(0)
    clock[0] += SWEEP + 1
    assert starter.turn(0).fault == "KafkaConnection"
    assert len(launched) == 2
    with reading(sessions) as session:
        assert last_beats(session)["kafka"].state == "failing"


def test_under_load_the_return_of_the_broker_is_told_at_once(sessions: Sessions, clock: list[float]) -> None:
    script = Script([], BrokerAway("KafkaConnection"), patients(1))
    starter, _ = launcher(sessions, script)
    for _ in range(3):
        starter.turn(0)
    with reading(sessions) as session:
        assert last_beats(session)["kafka"].state == "ok"


def test_a_new_process_launches_what_its_predecessor_had_stored(sessions: Sessions, clock: list[float]) -> None:
    launcher(sessions, Script(patients(1)))[0].turn(0)
    starter, launched = launcher(sessions, Script())
    assert starter.turn(0).launched
    assert len(launched) == 1


def test_a_status_that_waits_for_its_creation_needs_no_run_until_it_is_given_up(
    sessions: Sessions, clock: list[float]
) -> None:
    early = event("match.status_changed", match_id=number(), new_status="abgelehnt")
    starter, launched = launcher(sessions, Script([early]))
    starter.turn(0)
    assert launched == []
    with writing(sessions) as session:
        session.execute(update(InboxEvent).values(received_at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert starter.turn(0).launched


def test_without_prefect_events_are_kept_and_nothing_is_launched(sessions: Sessions, clock: list[float]) -> None:
    script = Script(patients(2))
    script.sessions = sessions
    turn = Launcher(sessions, script, None).turn(0)
    assert (turn.received.new, turn.launched, turn.fault) == (2, False, None)
    assert handle_events(sessions).applied == {"patient.created": 2}
