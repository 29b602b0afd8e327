"""The daily job of a demo: started through its Prefect deployment, watched until its last email is out."""

from __future__ import annotations

import time
from datetime import datetime

from comms.bootstrap import sessions
from comms.bootstrap.jobs import DAILY_BATCH
from comms.local_stack.display import Display
from comms.local_stack.prefect_api import ENDED, PrefectApi
from comms.local_stack.supervisor import Supervisor
from comms.services import job_runs
from comms.store.engines import clock
from comms.store.session import reading

TICK = 0.5
SETTLING = 120.0
"""Seconds in which another run may still send what the daily job found taken."""

RELAYING = 20.0
"""Seconds in which the relay publishes what a run announced; usually it has done so before the run ends."""


class DailyJob:
    """One run. `run_id` is the flow run's id and, in our tables, the key of the run."""

    def __init__(self, prefect_url: str, limit: int) -> None:
        self._api = PrefectApi(prefect_url)
        self.name = DAILY_BATCH
        with reading(sessions()) as session:
            self.began: datetime = clock(session)
        self.run_id = self._api.start_run(f"{DAILY_BATCH}/{DAILY_BATCH}", {"limit": limit})
        self.state = "Scheduled"

    def watch(self, supervisor: Supervisor, display: Display) -> None:
        """Show its steps until it has ended, however it ended, and nothing is being sent any more."""
        told = 0
        ended = False
        while not ended:
            supervisor.look_after(TICK)
            kind, self.state = self._api.state(self.run_id)
            ended = kind in ENDED
            finished = self._api.finished_tasks(self.run_id)
            for task in finished[told:]:
                display.done(task)
            told = max(told, len(finished))
            display.now(f"{DAILY_BATCH}: {self.state.lower()}; {self._counts()}")
        self._settle(supervisor, display)
        display.done(f"{DAILY_BATCH}: {self.state}")

    def _settle(self, supervisor: Supervisor, display: Display) -> None:
        deadline = time.monotonic() + SETTLING
        while self._under_way() and time.monotonic() < deadline:
            display.now(f"{self._under_way()} emails are on their way")
            supervisor.look_after(TICK)

    def await_events(self, supervisor: Supervisor, display: Display) -> None:
        """Give the relay a moment for what the run announced."""
        deadline = time.monotonic() + RELAYING
        while self._unpublished() and time.monotonic() < deadline:
            display.now(f"{self._unpublished()} events are being published")
            supervisor.look_after(TICK)

    def _unpublished(self) -> int:
        with reading(sessions()) as session:
            return job_runs.count_events_since(session, self.began).waiting

    def _under_way(self) -> int:
        with reading(sessions()) as session:
            return job_runs.count_under_way(session, clock(session))

    def _counts(self) -> str:
        with reading(sessions()) as session:
            made = job_runs.count_run(session, self.run_id).emails_created
            return f"{made} emails made, {job_runs.count_sent_since(session, self.began)} sent"
