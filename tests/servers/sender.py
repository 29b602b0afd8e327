"""A sender in a process of its own, to be killed: `kill -9` reaches nobody else."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from typing import Any

from comms.rules.policy import SendingPolicy
from comms.services.sending import send_queued_emails
from comms.store.engines import make_engine
from comms.store.session import make_sessions
from tests.servers.processes import start_process
from tests.servers.sending import smtp_sender

LEASE = timedelta(seconds=1)
BRIEF = SendingPolicy(lease=LEASE, rescue_every=timedelta(seconds=0.2), connections=2, chunk=20)


def send_all(url: str, port: int, idle_seconds: float, policy: SendingPolicy, settings: dict[str, Any]) -> None:
    """Send until nothing was due for `idle_seconds`: long enough for the leases of the dead to run out."""
    sessions = make_sessions(make_engine(url))
    sender = smtp_sender(port, **settings)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < idle_seconds:
        report = send_queued_emails(sessions, sender, policy, datetime.now(UTC), limit=1000)
        if report.claimed or report.rescued:
            quiet_since = time.monotonic()
        else:
            time.sleep(0.05)


def start_sender(
    url: str, port: int, idle_seconds: float = 0.0, policy: SendingPolicy = BRIEF, **settings: Any
) -> BaseProcess:
    return start_process(send_all, url, port, idle_seconds, policy, settings)
