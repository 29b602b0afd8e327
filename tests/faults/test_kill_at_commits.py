"""kill -9 before and after every COMMIT of a full cycle: the same command again, and nothing is lost or twice."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from comms.bootstrap.events import OURS
from comms.store.models import Email
from comms.store.session import reading
from tests.faults.cycle import ANSWER, BATCH, COMPLETE, CONSUME, PUBLISH, SECONDS, STEPS, World, make_start, world
from tests.faults.figures import SEED, Note
from tests.faults.judging import contradictions
from tests.faults.postgres_proxy import When
from tests.servers.kafka import broker
from tests.servers.postgres import database
from tests.servers.topics import events

ALWAYS = (CONSUME, BATCH)
WHOLE = (PUBLISH, ANSWER, COMPLETE)
"""Relays are killed in tests/kafka too; the other two make one COMMIT each."""


@dataclass
class Stage:
    """The database as it is before a step, to be copied; how many COMMITs the step makes; what was sent before."""

    template: str
    commits: int = 0
    received: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def stages(
    postgres: str, postgres_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Stage]]:
    """Run the cycle once, unharmed, and keep a copy of the database before each step."""
    folder = tmp_path_factory.mktemp("cycle")
    found: dict[str, Stage] = {}
    with ExitStack() as stack:
        postgres_engine.dispose()
        url = stack.enter_context(database(postgres, postgres_engine.url.database))
        kafka = stack.enter_context(broker())
        around = stack.enter_context(world(url, folder, kafka.servers))
        make_start(around.sessions)
        long_ago = _sent(around)
        for step in STEPS:
            around.engine.dispose()  # a database is copied only while nobody is connected to it
            copy = stack.enter_context(database(postgres, _name(url)))
            found[step] = Stage(_name(copy), received=[*long_ago, *around.mail.message_ids])
            around.proxy.arm(0, When.BEFORE, lambda: None)
            assert around.run(step) == 0, around.said()
            found[step].commits = around.proxy.commits
        yield found


def _name(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.slow
@pytest.mark.parametrize("when", When, ids=lambda when: when.value)
@pytest.mark.parametrize("step", [*ALWAYS, *(pytest.param(step, marks=pytest.mark.whole) for step in WHOLE)])
def test_killed_at_any_commit_the_same_command_again_leaves_nothing_lost_or_twice(
    step: str, when: When, stages: dict[str, Stage], postgres: str, tmp_path: Path, figure: Note, whole: bool
) -> None:
    stage = stages[step]
    points = list(range(1, stage.commits + 1))
    if not whole:
        points = random.Random(f"{SEED} {step} {when}").sample(points, 1)
    ends = [_die_and_recover(step, point, when, stage, postgres, tmp_path) for point in points]
    assert [end.wrong for end in ends if end.wrong] == []
    assert [end.point for end in ends if not end.killed] == []
    doubts = sum(end.in_doubt for end in ends)
    what = f"kill -9 {when.value} a COMMIT of: {step}"
    promise = "the same command again; all invariants hold, nothing received twice"
    figure(what, promise, f"{len(points)} of {stage.commits} COMMITs, broken 0, in doubt {doubts} (seed {SEED})")


@dataclass(frozen=True)
class End:
    """What came of one point; `wrong` names it."""

    point: int
    killed: bool
    in_doubt: int
    wrong: list[str]


def _die_and_recover(step: str, point: int, when: When, stage: Stage, postgres: str, folder: Path) -> End:
    with ExitStack() as stack:
        url = stack.enter_context(database(postgres, stage.template))
        brokers = stack.enter_context(broker()).servers if step == PUBLISH else ""
        around = stack.enter_context(world(url, folder, brokers))
        victim = around.start(step)
        around.proxy.arm(point, when, lambda: os.kill(victim.pid or 0, signal.SIGKILL))
        victim.join(SECONDS)
        around.proxy.arm(0, when, lambda: None)
        killed = victim.exitcode == -signal.SIGKILL
        around.let_leases_end()
        again = around.run(step)
        wrong = _wrong(around, step, stage)
        if again and not (step == COMPLETE and "is completed and cannot complete" in around.said()):
            wrong.append(around.said())
        return End(point, killed, _in_doubt(around), [f"COMMIT {point}: {line}" for line in wrong])


def _wrong(around: World, step: str, stage: Stage) -> list[str]:
    received = [*stage.received, *around.mail.message_ids]
    on_topic = events(around.brokers, OURS) if step == PUBLISH else None
    return contradictions(around.sessions, received=received, on_topic=on_topic)


def _sent(around: World) -> list[str]:
    """Message-IDs of what the sample calls sent: no mail server of ours has seen them."""
    with reading(around.sessions) as session:
        return list(session.scalars(select(Email.message_id).where(Email.status == "sent")))


def _in_doubt(around: World) -> int:
    with reading(around.sessions) as session:
        return session.scalar(select(func.count()).where(Email.status == "in_doubt")) or 0
