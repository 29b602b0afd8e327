"""Every two minutes: send what is due."""

from __future__ import annotations

from typing import Any

from prefect import flow, task

from comms.bootstrap import jobs
from comms.bootstrap.steps import Step
from comms.bootstrap.whole_jobs import opening
from flows.parameters import At, EmailLimit
from flows.progress import Progress
from flows.steps import EACH_TIME, begin, in_thread, noted, send_in_thread, show


@flow(
    name=jobs.SEND_QUEUE,
    description="Sends queued emails that are due, oldest first, and takes over what a dead sender left behind. "
    "Only one runs at a time; a second one is canceled.",
)
async def process_email_queue(at: At = None, limit: EmailLimit = 2000, dry_run: bool = False) -> Step:
    """Send up to `limit` emails; return the counts.

    Args:
        at: Act as if it were this instant; empty: now. In production only together with a
            dry run; a future instant never sends.
        limit: Send at most this many emails.
        dry_run: Decide and report; send nothing.
    """
    run = await begin(jobs.SEND_QUEUE, at, dry_run)
    with noted(run) as counts:
        due = await in_thread(jobs.count_due, run)
        rounds = await send_all(run, min(limit, due), limit)
        counts |= opening(run) | {"due": due} | jobs.add_up(rounds)
        if due or counts["claimed"]:
            await show(counts)
    return counts


@task(name="send", task_run_name="send, round {number}", **EACH_TIME)
async def send(run: Step, limit: int, number: str, after: Any) -> Step:
    """Send up to `limit` due emails."""
    return await send_in_thread(run, limit)


async def send_all(run: Step, due: int, limit: int) -> list[Step]:
    """Send in rounds until nothing is due or `limit` is reached."""
    progress = Progress(jobs.SEND_QUEUE, -(-due // jobs.SEND_ROUND), "rounds of emails sent")
    rounds: list[Step] = []
    left, drained = limit, False
    while left > 0 and not drained:
        asked = min(jobs.SEND_ROUND, left)
        rounds.append(await send(run, asked, str(len(rounds) + 1), rounds[-1:]))
        await progress.advance()
        left -= rounds[-1]["claimed"]
        drained = jobs.is_drained(rounds[-1], asked)
    return rounds
