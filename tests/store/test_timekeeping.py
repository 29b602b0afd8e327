"""The database's clock, asked seldom: as right as if it were asked each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from comms.store import timekeeping
from comms.store.engines import clock
from comms.store.session import Sessions, reading
from comms.store.timekeeping import FRESH, PROMPT, Timekeeper

TOLD = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Machine:
    """What a database tells, and what has passed on this machine since it was started; moved by the test."""

    def __init__(self) -> None:
        self.told, self.passed, self.asked, self.way = TOLD, 1000.0, 0, 0.0

    def clock(self, _: Session) -> datetime:
        self.asked += 1
        told = self.told
        self.passed += self.way
        return told

    def go_on(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(timekeeping, "clock", made.clock)
    monkeypatch.setattr(timekeeping, "_since_boot", lambda: made.passed)
    return made


NOBODY: Any = None


def test_while_an_answer_is_fresh_it_is_carried_on(machine: Machine) -> None:
    keeper = Timekeeper()
    keeper.now(NOBODY)
    machine.go_on(FRESH / 2)
    assert (keeper.now(NOBODY), machine.asked) == (TOLD + timedelta(seconds=FRESH / 2), 1)


def test_after_that_the_database_is_asked_again_and_is_right(machine: Machine) -> None:
    keeper = Timekeeper()
    keeper.now(NOBODY)
    machine.go_on(FRESH * 1.01)
    machine.told = TOLD - timedelta(hours=2)  # another server took over, or somebody set its clock
    assert (keeper.now(NOBODY), machine.asked) == (machine.told, 2)


def test_a_machine_that_slept_asks_when_it_wakes(machine: Machine) -> None:
    keeper = Timekeeper()
    keeper.now(NOBODY)
    machine.go_on(8 * 3600)
    machine.told = TOLD + timedelta(hours=8)
    assert keeper.now(NOBODY) == machine.told


def test_an_answer_that_came_at_once_counts_from_when_it_came(machine: Machine) -> None:
    keeper, machine.way = Timekeeper(), PROMPT / 2
    keeper.now(NOBODY)
    machine.go_on(0.25)
    assert keeper.now(NOBODY) == TOLD + timedelta(seconds=0.25)  # behind by its way, never ahead


def test_an_answer_that_was_held_up_is_good_for_its_asker_only(machine: Machine) -> None:
    keeper, machine.way = Timekeeper(), PROMPT * 2
    assert keeper.now(NOBODY) == TOLD
    machine.told, machine.way = TOLD + timedelta(seconds=PROMPT * 2), 0.0
    assert (keeper.now(NOBODY), machine.asked) == (machine.told, 2)


def test_an_answer_that_is_overtaken_replaces_no_newer_one(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Timekeeper()
    newer = TOLD + timedelta(milliseconds=10)

    def overtaken(_: Session) -> datetime:
        monkeypatch.setattr(timekeeping, "clock", lambda _: newer)
        assert keeper.now(NOBODY) == newer
        return TOLD

    monkeypatch.setattr(timekeeping, "clock", overtaken)
    assert keeper.now(NOBODY) == TOLD
    assert keeper.now(NOBODY) == newer


def test_it_is_the_databases_time(sessions: Sessions) -> None:
    keeper = Timekeeper()
    with reading(sessions) as session:
        before = clock(session)
        first, second = keeper.now(session), keeper.now(session)
        assert before <= first <= second <= clock(session)
        assert first.tzinfo is UTC
