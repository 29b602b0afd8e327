"""Every morning: book calls where no answer came, and where there is no address to write to."""

from __future__ import annotations

from prefect import flow, task

from comms.bootstrap import jobs
from comms.bootstrap.steps import Step
from comms.bootstrap.whole_jobs import opening
from flows.parameters import At, CallLimit
from flows.steps import ONCE, begin, in_thread, noted, show


@flow(
    name=jobs.FOLLOW_UPS,
    description="Books a five-minute call for emails without an answer for seven days and for therapists without a "
    "working address, in the next free slot; says why where there is none.",
)
async def check_unanswered_emails(at: At = None, limit: CallLimit = 500, dry_run: bool = False) -> Step:
    """Book up to `limit` calls; return the counts.

    Args:
        at: Act as if it were this instant; empty: now. In production only together with a
            dry run.
        limit: Book at most this many calls.
        dry_run: Decide and report; book nothing.
    """
    run = await begin(jobs.FOLLOW_UPS, at, dry_run)
    with noted(run) as counts:
        counts |= opening(run) | await book_calls(run, limit)
        await show(counts)
    return counts


@task(name="book-calls", task_run_name="book calls", **ONCE)
async def book_calls(run: Step, limit: int) -> Step:
    """Book the calls that are due."""
    booked: Step = await in_thread(jobs.follow_up, run, limit)
    return booked
