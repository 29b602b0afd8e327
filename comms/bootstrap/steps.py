"""A step of a job, told in one line of the log with its counts, and named as the cause of what it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from comms import logs
from comms.causes import caused_by

Step = dict[str, Any]
"""What a step returns: JSON of ids, codes and counts."""

MOST = 500
"""Ids in one line."""

P = ParamSpec("P")
log = logs.logger("comms.jobs")


def step(work: Callable[Concatenate[Step, P], Step]) -> Callable[Concatenate[Step, P], Step]:
    """Make a function that takes its run first a step of that run."""

    @wraps(work)
    def told(run: Step, /, *args: P.args, **kwargs: P.kwargs) -> Step:
        about = {"step": work.__name__, "job": run["job"]}
        with caused_by(run["key"]), logs.unit_of_work(log, "step", **about) as line:
            done = work(run, *args, **kwargs)
            line |= {name: value for name, value in done.items() if _is_short(value)} | about
        return done

    return told


def _is_short(value: Any) -> bool:
    """Counts, codes, ids; neither the plan that one step hands to the next, nor thousands of ids."""
    inner = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return len(inner) <= MOST and all(isinstance(each, (int, str)) for each in inner)
