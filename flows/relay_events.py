"""Every five minutes: publish what the relay has not."""

from __future__ import annotations

from prefect import flow, task

from comms.bootstrap import events
from comms.bootstrap.steps import Step
from comms.bootstrap.whole_jobs import opening
from flows.parameters import EventLimit
from flows.steps import EACH_TIME, begin, in_thread, noted, show


@flow(
    name=events.RELAY_EVENTS,
    description="Publishes events that wait in the outbox, in order per key. While `comms relay` is at work there is "
    "nothing to do, and the run says so.",
)
async def relay_events(limit: EventLimit = 10_000) -> Step:
    """Publish up to `limit` events; return the counts.

    Args:
        limit: Publish at most this many events.
    """
    run = await begin(events.RELAY_EVENTS, None, False)
    with noted(run) as counts:
        counts |= opening(run) | await publish(run, limit)
        if counts["published"] or counts["ended"] == "away":
            await show(counts)
    return counts


@task(name="publish", task_run_name="publish", **EACH_TIME)
async def publish(run: Step, limit: int) -> Step:
    """Publish what waits."""
    published: Step = await in_thread(events.relay_events, run, limit)
    return published
