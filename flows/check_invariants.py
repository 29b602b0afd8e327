"""Every night: does everything hold that must hold after anything?"""

from __future__ import annotations

from prefect import flow, task

from comms.bootstrap import checking
from comms.bootstrap.steps import Step
from comms.bootstrap.whole_jobs import opening
from flows.steps import EACH_TIME, begin, in_thread, noted, show


@flow(
    name=checking.CHECK_INVARIANTS,
    description="Asks the database for whatever breaks a promise of the service, one query per invariant, and changes "
    "nothing. The run fails if there is anything; its artifact names the rows, and docs/operations.md what to do.",
)
async def check_invariants() -> Step:
    """Ask for all; return the counts."""
    run = await begin(checking.CHECK_INVARIANTS, None, False)
    with noted(run) as counts:
        counts |= opening(run) | await ask()
        await show(counts)
        await in_thread(checking.require_all, counts)
    return counts


@task(name="ask", task_run_name="ask", **EACH_TIME)
async def ask() -> Step:
    """Ask the database."""
    found: Step = await in_thread(checking.check_invariants)
    return found
