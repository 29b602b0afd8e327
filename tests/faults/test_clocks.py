"""Clocks that are wrong, and days on which the clocks change.

The time of a unit of work is PostgreSQL's, or this machine's with SQLite, where no second clock can differ.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from comms.bootstrap import jobs
from comms.rules.horizon import CELL, DAY_CELLS, instant_of
from comms.rules.hours import WEEKDAYS
from comms.rules.local_time import bounds_of
from comms.rules.policy import BERLIN, CallPolicy
from comms.services.calls import schedule_follow_up_calls
from comms.services.sending.claim import claim_due_emails
from comms.store.contacts import mailbox_key, therapist_key, took_place
from comms.store.engines import clock
from comms.store.models import CallCell, Email, PhoneCall
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import make_request, make_therapist
from tests.faults.figures import Note
from tests.faults.judging import contradictions
from tests.installation import configured, environment
from tests.servers.commands import start_command
from tests.servers.sending import WEEK, queue_told_emails
from tests.servers.smtp import SmtpServer

WRONG = {"two hours ahead": timedelta(hours=2), "two hours behind": timedelta(hours=-2)}


@pytest.mark.slow
def test_applications_whose_clocks_are_wrong_go_by_the_databases(
    empty_postgresql: Engine, tmp_path: Path, figure: Note
) -> None:
    sessions, url = make_sessions(empty_postgresql), empty_postgresql.url.render_as_string(hide_password=False)
    held = hold_an_email(sessions)
    ask(sessions, 20)
    begin = now_of(sessions)
    with SmtpServer() as server:
        rescued = run_by_wrong_clocks(environment(url, tmp_path, server.port), tmp_path)
        received = server.message_ids

    with reading(sessions) as session:
        emails = session.scalars(select(Email).where(Email.id != held)).all()
        calls = session.scalars(select(PhoneCall.starts_at)).all()
        assert (session.get_one(Email, held).status, rescued) == ("sending", 0)
    times = [at for email in emails for at in (email.created_at, email.queued_at, email.handed_over_at, email.sent_at)]
    assert all(at and begin <= at <= now_of(sessions) for at in times)
    assert (len(emails), sorted(received)) == (15, sorted(email.message_id for email in emails))
    assert (len(calls), min(calls) >= begin + CallPolicy().lead) == (5, True)
    assert contradictions(sessions, received=received) == []
    promise = "one email each, times are the database's, no early rescue"
    figure("two applications, two hours ahead and behind", promise, f"{len(emails)} emails, {rescued} rescued")


def hold_an_email(sessions: Sessions) -> int:
    """Let a sender that is still alive hold one for the next hour."""
    [id_] = queue_told_emails(sessions, 1)
    with writing(sessions) as session:
        at = clock(session)
        claim_due_emails(session, "somebody", at, at, timedelta(hours=1), 1)
    return id_


def ask(sessions: Sessions, requests: int) -> None:
    """Requests to as many therapists; every fourth of them has no email address."""
    with writing(sessions) as session:
        for number in range(requests):
            make_request(session, make_therapist(session, **({} if number % 4 else {"email": None})))


def now_of(sessions: Sessions) -> datetime:
    with reading(sessions) as session:
        return clock(session)


def run_by_wrong_clocks(given: dict[str, str], folder: Path) -> int:
    """Let both do the daily batch at the same time; return how many emails they took from somebody else."""
    outputs = {folder / name: ahead for name, ahead in WRONG.items()}
    batches = [
        start_command(["run", "daily-batch", "--json"], given, output, clock_ahead=ahead)
        for output, ahead in outputs.items()
    ]
    for batch in batches:
        batch.join(120)
        assert batch.exitcode == 0
    return sum(json.loads(output.read_text())["sending"]["rescued"] for output in outputs)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_scheduler_whose_clock_is_wrong_brings_no_contact_too_early(
    wrong: str, sessions: Sessions, database_url: str, tmp_path: Path, figure: Note
) -> None:
    """Its time decides who may be written to, but the letter waits until the database's clock says so."""
    now = now_of(sessions)
    contacted = now - WEEK + timedelta(hours=1)
    with writing(sessions) as session:
        therapist = make_therapist(session)
        make_request(session, therapist)
        keys = [therapist_key(therapist.id), mailbox_key(str(therapist.mailbox))]
        took_place(session, "call:1", keys, contacted)
    with SmtpServer() as server, configured(environment(database_url, tmp_path, server.port)):
        daily_batch_at(now + WRONG[wrong])

    with reading(sessions) as session:
        due = session.scalars(select(Email.next_attempt_at)).all()
    assert (server.received, len(due)) == ([], int(wrong == "two hours ahead"))
    assert all(at and at >= contacted + WEEK for at in due)
    made = "made, and waits two hours" if due else "not made"
    figure(f"scheduler {wrong}, contact 167 h ago", "none before 168 h", made)


def daily_batch_at(scheduled: datetime) -> None:
    """The steps of the flow, as Prefect's server would have begun them."""
    run = jobs.open_run(jobs.DAILY_BATCH, "by-prefect", scheduled=scheduled)
    for chunk in jobs.plan_daily_batch(run, 500, 50)["chunks"]:
        jobs.create_chunk(run, chunk)
    jobs.send(run, 500)


ALWAYS = {day: [("00:00", "24:00")] for day in WEEKDAYS}
AROUND_THE_CHANGES = {
    date(2027, 3, 27): 288, date(2027, 3, 28): 276, date(2027, 10, 30): 288, date(2027, 10, 31): 300,
}  # fmt: skip


@pytest.mark.whole
@pytest.mark.parametrize("day", AROUND_THE_CHANGES, ids=str)
def test_as_many_calls_fit_into_a_day_as_its_clock_has_times(day: date, sessions: Sessions, figure: Note) -> None:
    """A time that the clocks show twice is used once: nobody could tell the two apart."""
    begin, end = bounds_of(day, BERLIN)
    with writing(sessions) as session:
        hours = {WEEKDAYS[day.weekday()]: [["00:00", "24:00"]]}
        for _ in range(310):
            make_request(
                session, make_therapist(session, email=None, mailbox=None, land=None, phone_availability=hours)
            )
    policy = CallPolicy(caller_hours=ALWAYS, look_ahead=timedelta(days=2))
    booked = schedule_follow_up_calls(sessions, begin - timedelta(hours=1), policy)

    with reading(sessions) as session:
        cells = sorted(session.scalars(select(CallCell.cell)))
    length = (end - begin) // CELL
    assert length == AROUND_THE_CHANGES[day]
    assert booked.scheduled == len(cells) == len(set(cells)) == min(length, DAY_CELLS)
    assert begin <= instant_of(cells[0]) <= instant_of(cells[-1]) < end
    figure(f"calls on {day:%d.%m.%Y}, {length} cells long", "one for each time that the clock shows", booked.scheduled)
