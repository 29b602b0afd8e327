"""Every hour: bring over what the platform knows, and tell it what is in progress here."""

from __future__ import annotations

from typing import Any

from prefect import flow, task

from comms.bootstrap import platform
from comms.bootstrap.steps import Step
from comms.bootstrap.whole_jobs import opening
from flows.steps import ONCE, begin, in_thread, noted, show


@flow(
    name=platform.SYNC_PLATFORM,
    description="Pulls open placement requests from the platform and the facts that they need, and sets there what is "
    "in progress here. A service that is slow, wrong or away costs its part and nothing else. Safe to run twice.",
)
async def sync_platform() -> Step:
    """Ask the platform, then tell it; return the counts."""
    run = await begin(platform.SYNC_PLATFORM, None, False)
    with noted(run) as counts:
        asked = await ask_platform(run)
        told = await tell_platform(run, asked)
        counts |= opening(run) | {"platform": {"asked": asked, "told": told}}
        await show(counts)
    return counts


@task(name="ask-platform", task_run_name="ask the platform", **ONCE)
async def ask_platform(run: Step) -> Step:
    """Bring over open requests and the facts that they need."""
    asked: Step = await in_thread(platform.ask_platform, run)
    return asked


@task(name="tell-platform", task_run_name="tell the platform", **ONCE)
async def tell_platform(run: Step, after: Any) -> Step:
    """Tell the platform what is in progress, `after` everything that may have changed it."""
    told: Step = await in_thread(platform.tell_platform, run)
    return told
