"""When the platform has spoken: apply what it said, ask for what is missing, and write at once where that is wanted."""

from __future__ import annotations

from prefect import flow, task

from comms.bootstrap import events, platform
from comms.bootstrap.steps import Step
from comms.bootstrap.whole_jobs import opening
from flows.parameters import EventLimit
from flows.steps import EACH_TIME, ONCE, begin, in_thread, noted, send_in_thread, show
from flows.sync_platform import tell_platform


@flow(
    name=events.HANDLE_EVENTS,
    description="Applies events of the platform that wait in the inbox, each once and in order per subject. "
    "`comms launcher` launches it for whatever came in. Safe to run twice or at once with another.",
)
async def handle_matching_events(limit: EventLimit = 10_000) -> Step:
    """Apply up to `limit` events; return the counts.

    Args:
        limit: Apply at most this many events.
    """
    run = await begin(events.HANDLE_EVENTS, None, False)
    with noted(run) as counts:
        applied = await apply(run, limit)
        facts = await ask_for_facts(run, applied)
        written = await write_at_once(run, applied, facts)
        if written["emails"]:
            await tell_platform(run, written)
        counts |= opening(run) | applied | {"facts": facts, "written": written}
        await show(counts)
    return counts


@task(name="apply", task_run_name="apply events", **EACH_TIME)
async def apply(run: Step, limit: int) -> Step:
    """Apply what waits in the inbox."""
    applied: Step = await in_thread(events.handle_inbox, run, limit)
    return applied


@task(name="ask-for-facts", task_run_name="ask for missing facts", **ONCE)
async def ask_for_facts(run: Step, applied: Step) -> Step:
    """Ask the platform's services about whom new requests name and nobody knows."""
    asked: Step = await in_thread(platform.ask_for_facts, run, applied["new_request_ids"])
    return asked


@task(name="write-at-once", task_run_name="write at once", **ONCE)
async def write_at_once(run: Step, applied: Step, facts: Step) -> Step:
    """Write to the therapists of fresh requests, where COMMS_BATCH_ON_MATCH says so."""
    written: Step = await in_thread(events.write_at_once, run, applied)
    if written["emails"]:
        written["sending"] = await send_in_thread(run, written["emails"])
    return written
