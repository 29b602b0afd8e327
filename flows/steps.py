"""How a step of a job becomes a Prefect task: in a thread, told safely, tried again only where that helps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypedDict

from prefect import Task, runtime
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import INPUTS, NO_CACHE, RUN_ID, CachePolicy
from prefect.client.schemas.objects import State, TaskRun

from comms.bootstrap import jobs, start_logging
from comms.bootstrap.steps import Step
from comms.bootstrap.telling import heading, rows_of
from comms.bootstrap.trouble import passes, retell


class _Options(TypedDict, total=False):
    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]
    persist_result: bool
    cache_policy: CachePolicy


def _is_passing(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only trouble of the infrastructure passes; bad data stays bad, and delivery has tries of its own."""
    return isinstance(state.data, BaseException) and passes(state.data)


_TRIED_AGAIN: _Options = {"retries": 3, "retry_delay_seconds": [1, 5, 20], "retry_condition_fn": _is_passing}

ONCE: _Options = {**_TRIED_AGAIN, "persist_result": True, "cache_policy": RUN_ID + INPUTS}
"""A retry of the same flow run finds the result and does not do it again."""

EACH_TIME: _Options = {**_TRIED_AGAIN, "cache_policy": NO_CACHE}


async def in_thread(step: Callable[..., Any], *args: Any) -> Any:
    """Run a step beside the event loop; what it raises holds no stored value, for Prefect keeps messages in clear."""
    try:
        return await asyncio.to_thread(step, *args)
    except Exception as error:  # noqa: BLE001 - the edge to Prefect's database
        raise retell(error) from None


async def send_in_thread(run: Step, limit: int) -> Step:
    """Send one round; when the flow run is ended, the sender finishes the letters under way and no more."""
    stop = threading.Event()
    try:
        sent: Step = await in_thread(jobs.send, run, limit, stop)
    except BaseException:
        stop.set()
        raise
    return sent


async def begin(job: str, at: datetime | None, dry_run: bool) -> Step:
    """Open the run under the flow run's id; as of `at`, else of its scheduled time, so that a retry decides alike."""
    start_logging()
    scheduled = runtime.flow_run.scheduled_start_time
    key = str(runtime.flow_run.id)
    run: Step = await in_thread(lambda: jobs.open_run(job, key, at, dry_run=dry_run, scheduled=scheduled))
    return run


noted = jobs.noted
"""What a flow puts into the yielded counts is noted at its end."""


async def show(counts: Step) -> None:
    """Publish what a job did as a table under its name."""
    await acreate_table_artifact(list(rows_of(counts)), key=counts["job"], description=heading(counts))
