"""The night's work: write to therapists, send, and book calls where no answer came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from prefect import flow, task

from comms.bootstrap import jobs
from comms.bootstrap.steps import Step
from comms.bootstrap.whole_jobs import daily_summary
from flows.parameters import At, ChunkSize, EmailLimit
from flows.progress import Progress
from flows.steps import ONCE, begin, in_thread, noted, send_in_thread, show
from flows.sync_platform import ask_platform, tell_platform


@flow(
    name=jobs.DAILY_BATCH,
    description="Asks the platform what is new, plans which therapists are written to and why the others are not, "
    "makes the emails in chunks, sends what is due, books follow-up calls and tells the platform what is in progress. "
    "Safe to run twice, late, or at once with another.",
)
async def schedule_daily_batch_processing(
    at: At = None, limit: EmailLimit = 500, chunk_size: ChunkSize = 50, dry_run: bool = False
) -> Step:
    """Run the daily batch; return its counts.

    Args:
        at: Act as if it were this instant; empty: the scheduled time of the run. In production only together with a
            dry run; a future instant never sends.
        limit: Make at most this many emails.
        chunk_size: Emails made in one transaction; their contacts stay locked for so long.
        dry_run: Decide and report; write nothing and send nothing.
    """
    run = await begin(jobs.DAILY_BATCH, at, dry_run)
    with noted(run) as counts:
        asked = await ask_platform(run)
        planned = await plan(run, limit, chunk_size, asked)
        created = [] if dry_run else await create_all(run, planned)
        sent = await send_all(run, created or planned)
        calls = await follow_up(run, sent)
        told = await tell_platform(run, calls)
        counts |= await summarise(run, planned, created, sent, calls, asked, told)
    return counts


@task(name="plan", task_run_name="plan", **ONCE)
async def plan(run: Step, limit: int, chunk_size: int, after: Any) -> Step:
    """Decide about every therapist with an open request, `after` the platform was asked for them.

    Chunks leave it as text: Prefect draws its edges by identity, and small numbers are identical wherever they stand.
    """
    planned: Step = await in_thread(jobs.plan_daily_batch, run, limit, chunk_size)
    return planned | {"chunks": [json.dumps(chunk) for chunk in planned["chunks"]]}


@task(name="create-emails", task_run_name="create emails, chunk {number}", **ONCE)
async def create_emails(run: Step, chunks: list[str], number: str) -> Step:
    """Make the emails of the chunk `number`, counted from 1."""
    created: Step = await in_thread(jobs.create_chunk, run, json.loads(chunks[int(number) - 1]))
    return created


@task(name="send", task_run_name="send, round {number}", **ONCE)
async def send(run: Step, after: Any, number: str) -> Step:
    """Send up to one round of due emails, `after` what came before."""
    return await send_in_thread(run, jobs.SEND_ROUND)


@task(name="book-calls", task_run_name="book calls", **ONCE)
async def follow_up(run: Step, after: Any) -> Step:
    """Book the calls that are due, `after` the sending."""
    booked: Step = await in_thread(jobs.follow_up, run)
    return booked


@task(name="summarise", task_run_name="summarise", **ONCE)
async def summarise(
    run: Step, planned: Step, created: list[Step], sent: list[Step], calls: Step, asked: Step, told: Step
) -> Step:
    """Add up, and show it as a table."""
    platform = {"asked": asked, "told": told}
    summary = daily_summary(run, planned, created, jobs.add_up(sent), calls, platform)
    await show(summary)
    return summary


async def create_all(run: Step, planned: Step) -> list[Step]:
    """Make all chunks, as many at once as the database allows. One that fails stops no other, and then the run."""
    gate = asyncio.Semaphore(planned["at_once"])
    progress = Progress(jobs.DAILY_BATCH, len(planned["chunks"]), "chunks of emails made")

    async def create(number: str) -> Step:
        async with gate:
            created = await create_emails(run, planned["chunks"], number)
            await progress.advance()
            return created

    numbers = range(1, len(planned["chunks"]) + 1)
    return _all_or_raise(await asyncio.gather(*map(create, map(str, numbers)), return_exceptions=True))


async def send_all(run: Step, before: Any) -> list[Step]:
    """Send round after round until nothing is due."""
    rounds = [await send(run, before, "1")]
    while not jobs.is_drained(rounds[-1], jobs.SEND_ROUND):
        rounds.append(await send(run, rounds[-1], str(len(rounds) + 1)))
    return rounds


def _all_or_raise(results: Sequence[Step | BaseException]) -> list[Step]:
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
