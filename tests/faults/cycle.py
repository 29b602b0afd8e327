"""A cycle of the service as an operator runs it, command after command, each in a process that can be killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import Engine, func, select, update

from comms.rules.policy import CallPolicy
from comms.sample.loading import load_sample
from comms.sample.therapists import ASKED_RECENTLY, FIRST_ID
from comms.services.calls.scheduling import schedule_follow_up_calls
from comms.services.inbox import receive
from comms.store.engines import clock, make_engine
from comms.store.models import Email, Lease, PhoneCall
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.faults.postgres_proxy import PostgresProxy
from tests.servers.commands import start_command
from tests.servers.smtp import SmtpServer
from tests.services.messages import THERAPIST, event

THERAPISTS = 11
"""Of the sample: six to write to; two did not answer, one refused, one was asked lately, one has no address."""

SECONDS = 120
"""After which a command hangs."""

CONSUME, BATCH, ANSWER, COMPLETE, PUBLISH = "consume", "batch", "answer", "complete", "publish"
STEPS = {
    CONSUME: "run handle-events",
    BATCH: "run daily-batch",
    ANSWER: "emails respond {email} --all rejected",
    COMPLETE: "calls complete {call} --all accepted",
    PUBLISH: "run relay-events",
}
"""From the platform's events to ours; the batch creates, claims, marks, settles and books."""


def make_start(sessions: Sessions) -> None:
    """Therapists with open requests, earlier emails, one booked call, and events of the platform to apply."""
    with reading(sessions) as session:
        now = clock(session)
    load_sample(sessions, now, THERAPISTS)
    schedule_follow_up_calls(sessions, now, CallPolicy(), limit=1)
    created = event("match.created", match_id=990_000, patient_id=990_000, therapist_id=FIRST_ID)
    learned = event("therapist.updated", therapist_id=FIRST_ID + 3, therapist_data=THERAPIST)
    closed = event("match.status_changed", minutes=1, match_id=990_000, old_status=None, new_status="abgelehnt")
    with writing(sessions) as session:
        receive(session, (created, learned, closed), now)


@dataclass(frozen=True)
class World:
    """One database with what stands around it; its commands reach it through the proxy."""

    url: str
    engine: Engine
    proxy: PostgresProxy
    mail: SmtpServer
    folder: Path
    brokers: str = ""

    @property
    def sessions(self) -> Sessions:
        return make_sessions(self.engine)

    def start(self, step: str) -> BaseProcess:
        """Begin one step in a process of its own."""
        arguments = STEPS[step].format(**self._subjects()).split()
        environment = {
            "DATABASE_URL": self.proxy.url(self.url), "COMMS_HOME": str(self.folder), "COMMS_SMTP_CONNECTIONS": "1",
            "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.mail.port), "KAFKA_BOOTSTRAP_SERVERS": self.brokers,
        }  # fmt: skip
        return start_command(arguments, environment, self.folder / "output")

    def run(self, step: str) -> int:
        """Run one step to its end; return its exit code."""
        process = self.start(step)
        process.join(SECONDS)
        assert process.exitcode is not None, f"{step} hangs"
        return process.exitcode

    def said(self) -> str:
        return (self.folder / "output").read_text()

    def let_leases_end(self) -> None:
        """What somebody dead holds is held no longer, as if time had passed."""
        with writing(self.sessions) as session:
            over = clock(session) - timedelta(seconds=1)
            session.execute(update(Email).where(Email.status == "sending").values(lease_until=over))
            session.execute(update(Lease).values(until=over))

    def _subjects(self) -> dict[str, int | None]:
        """An email and a call of the start; the same when a command is given again."""
        asked = FIRST_ID + min(ASKED_RECENTLY)
        with reading(self.sessions) as session:
            email = session.scalar(select(func.min(Email.id)).where(Email.therapist_id == asked))
            return {"email": email, "call": session.scalar(select(func.min(PhoneCall.id)))}


@contextmanager
def world(url: str, folder: Path, brokers: str = "") -> Iterator[World]:
    """Put a proxy and a mail server around a database."""
    engine = make_engine(url)
    assert engine.url.port
    with PostgresProxy(engine.url.port) as proxy, SmtpServer() as mail:
        yield World(url, engine, proxy, mail, folder, brokers)
        engine.dispose()
