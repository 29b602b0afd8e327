"""Every part of the local stack: its command, what it needs, and how to see that it is ready."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from comms.config import Settings
from comms.errors import ConfigurationError
from comms.local_stack.part import Part
from comms.local_stack.ports import HOST, answers
from comms.local_stack.probe import is_healthy

DATABASE, SAMPLE, PREFECT, WORKER, MAIL, API = "database", "sample", "prefect", "worker", "mail", "api"
KAFKA, RELAY, LAUNCHER = "kafka", "relay", "launcher"
CATCHER_LOGIN = "comms"
"""User and password of its IMAP mailbox."""
COMMS = (sys.executable, "-m", "comms.cli")
PATIENCE = 120.0
"""Seconds a Prefect server may take: the first start makes its database."""


def database() -> Part:
    return Part(DATABASE, [*COMMS, "db", "upgrade"])


def sample(therapists: int) -> Part:
    return Part(SAMPLE, [*COMMS, "sample", "load", "--therapists", str(therapists)], (DATABASE,), patience=3600)


def prefect_server(port: int) -> Part:
    command = [sys.executable, "-m", "comms.local_stack.prefect_server", str(port)]
    return Part(PREFECT, command, ready=lambda: is_healthy(f"http://{HOST}:{port}/api/health"), patience=PATIENCE)


def worker(needs: tuple[str, ...], *, alone: bool) -> Part:
    """It waits for the Prefect server by itself, and so loads its own code meanwhile; `alone`: no other serves it."""
    command = [sys.executable, "-m", "comms.local_stack.worker", str(PATIENCE), *(["alone"] if alone else [])]
    return Part(WORKER, command, needs, says="started!", patience=PATIENCE + 30, grace=10)


def mail_catcher(settings: Settings) -> Part:
    """Takes every mail, sends none on, forgets all when it ends."""
    if importlib.util.find_spec("mail_devel") is None:
        raise ConfigurationError(
            ["SMTP_HOST: not set, and the mail catcher is not installed; set it, or: pip install 'mail-devel>=0.18'"]
        )
    ports = (settings.catcher_smtp_port, settings.catcher_imap_port, settings.catcher_web_port)
    command = [
        sys.executable, "-m", "mail_devel", "--host", HOST, "--user", CATCHER_LOGIN, "--password", CATCHER_LOGIN,
        "--smtp-port", str(ports[0]), "--imap-port", str(ports[1]), "--http-port", str(ports[2]),
    ]  # fmt: skip
    return Part(MAIL, command, ready=lambda: all(map(answers, ports)), unlogged="INFO|@")


def broker(command: Sequence[str], port: int) -> Part:
    """It keeps nothing, so there is nothing to wait for when it ends."""
    return Part(KAFKA, command, ready=lambda: answers(port), environment={"RUST_LOG": "error"}, grace=0.2)


def bus(needs: tuple[str, ...]) -> list[Part]:
    """The two programs between the database and Kafka; they wait for brokers by themselves.

    Text or JSON, the line in which they say that they are ready has the word.
    """
    return [Part(name, [*COMMS, name], (DATABASE, *needs), says=r"\bready\b", grace=8) for name in (RELAY, LAUNCHER)]


def api(port: int) -> Part:
    command = [
        sys.executable, "-m", "uvicorn", "api.app:app", "--host", HOST, "--port", str(port),
        "--timeout-graceful-shutdown", "4", "--no-access-log",
    ]  # fmt: skip
    return Part(API, command, (DATABASE,), ready=lambda: is_healthy(f"http://{HOST}:{port}/healthz"))
