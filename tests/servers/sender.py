"""A sender in a process of its own, to be killed: `kill -9` reaches nobody else."""

from __future__ import annotations

import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess

from comms.rules.policy import SendingPolicy
from comms.services.sending import send_queued_emails
from comms.store.engines import make_engine
from comms.store.session import make_sessions
from tests.servers.sending import smtp_sender

LEASE = timedelta(seconds=1)
BRIEF = SendingPolicy(lease=LEASE, rescue_every=timedelta(seconds=0.2), connections=2, chunk=20)


def send_all(url: str, port: int, idle_seconds: float) -> None:
    """Send until nothing was due for `idle_seconds`: long enough for the leases of the dead to run out."""
    sessions = make_sessions(make_engine(url))
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < idle_seconds:
        report = send_queued_emails(sessions, smtp_sender(port), BRIEF, datetime.now(UTC), limit=1000)
        if report.claimed or report.rescued:
            quiet_since = time.monotonic()
        else:
            time.sleep(0.05)


def start_sender(url: str, port: int, idle_seconds: float = 0.0) -> BaseProcess:
    """Start one; a server process that has everything imported makes it quick, and it ends with the tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=send_all, args=(url, port, idle_seconds), daemon=True)
    process.start()
    return process
