"""`comms drain`: sending is paused, and what is under way is waited for, so long and no longer."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from comms.cli import staff
from comms.services.job_runs import finish_run, start_run
from comms.services.pause import sending_paused
from comms.store.engines import clock
from comms.store.session import Sessions, reading, writing
from tests.cli.test_emails_cli import Comms, comms
from tests.factories import make_email, make_therapist

__all__ = ["comms"]  # the fixture


def begin(sessions: Sessions, *, ago: timedelta = timedelta()) -> datetime:
    with writing(sessions) as session:
        now = clock(session)
        start_run(session, "daily-batch", "a run", now - ago, now - ago)
    return now


def test_a_letter_that_is_being_handed_over_is_waited_for(comms: Comms, sessions: Sessions) -> None:
    with writing(sessions) as session:
        now = clock(session)
        for lease in (now + timedelta(minutes=5), now - timedelta(seconds=1)):
            make_email(session, make_therapist(session), status="sending", owner="a", lease_until=lease, attempt=1)

    said = comms("drain", "--patience", 0)

    assert (said.code, said.out) == (1, "sending is paused\nstill under way: 1 emails, jobs: none\n")
    with reading(sessions) as session:
        assert sending_paused(session)


def test_it_ends_as_soon_as_the_last_run_has(comms: Comms, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "TICK", 0.05)
    now = begin(sessions)
    assert comms("drain", "--patience", 0).out.endswith("still under way: 0 emails, jobs: daily-batch\n")

    def end() -> None:
        with writing(sessions) as session:
            finish_run(session, "daily-batch", "a run", {}, now, failed=False)

    ending = threading.Timer(0.2, end)
    ending.start()
    said = comms("drain", "--patience", 60)
    ending.join()

    assert (said.code, said.out) == (0, "sending is paused\nnothing is under way\n")


def test_a_run_that_died_long_ago_is_not_waited_for(comms: Comms, sessions: Sessions) -> None:
    begin(sessions, ago=timedelta(hours=7))

    assert comms("drain", "--patience", 0).code == 0
