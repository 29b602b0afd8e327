"""Random stories of the whole service beside a notebook: after each step the invariants hold, and all is as noted.

The stories of `make test` are always the same ones; those of `make test-faults` are new each time, and a failing one is
told again with the seed and the shortest story that Hypothesis prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine, text

from comms.store.models import Base
from comms.store.session import Sessions, make_sessions
from tests.faults.figures import Note
from tests.faults.story.clock import told_clock
from tests.faults.story.machine import Story

STEPS = 15
PARTS, STORIES = 5, 50
"""On each engine; in parts, so that they are shared by the workers."""

PHASES = [Phase.generate] if os.environ.get("COMMS_FAULT_PLANTED") else [Phase.generate, Phase.shrink]
"""Whoever planted a fault knows it: the story that found it need not be told as short as possible."""


def tell_stories(engine: Engine, count: int, *, derandomize: bool) -> None:
    class OnEngine(Story):
        fresh = staticmethod(emptying(engine))

    how = settings(
        max_examples=count, stateful_step_count=STEPS, derandomize=derandomize, database=None, deadline=None,
        suppress_health_check=[*HealthCheck], phases=PHASES,
    )  # fmt: skip
    with told_clock(engine):
        run_state_machine_as_test(OnEngine, settings=how)


def emptying(engine: Engine) -> Callable[[], Sessions]:
    """One engine for all stories: what it has compiled stays compiled."""
    sessions = make_sessions(engine)
    emptied = [text(f"DELETE FROM {table.name}") for table in reversed(Base.metadata.sorted_tables)]

    def fresh() -> Sessions:
        with engine.begin() as connection:
            for statement in emptied:
                connection.execute(statement)
        return sessions

    return fresh


@pytest.mark.slow
def test_fifty_stories_end_as_the_notebook_says(empty_sqlite: Engine, figure: Note) -> None:
    tell_stories(empty_sqlite, STORIES, derandomize=True)
    figure("stories of the whole service, sqlite", "invariants hold, all as in the model, after each step", STORIES)


@pytest.mark.whole
@pytest.mark.parametrize("part", range(PARTS))
def test_five_hundred_new_stories_end_as_the_notebook_says(engine: Engine, figure: Note, part: int) -> None:
    tell_stories(engine, STORIES, derandomize=False)
    case = f"new stories on {engine.dialect.name}, part {part + 1} of {PARTS}"
    figure(case, "invariants hold, all as in the model, after each step", STORIES)
