"""`comms demo`: the whole service on sample data, in a world of its own: home, database, mail catcher, ports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from dotenv import dotenv_values
from rich.console import Console

from comms.config import Settings, get_config
from comms.config.settings import ENV_FILE, names
from comms.errors import Conflict
from comms.local_stack import parts
from comms.local_stack.api_key import SHORT, keep_key
from comms.local_stack.caught import count_mails
from comms.local_stack.display import Display
from comms.local_stack.home import held
from comms.local_stack.job import DailyJob
from comms.local_stack.log import Log
from comms.local_stack.ports import free_port
from comms.local_stack.stack import Stack, compose, prefect_url
from comms.local_stack.summary import Summary, summarise
from comms.local_stack.supervisor import Supervisor

HOME = Path(".comms") / "demo"
"""Under the working directory."""

PORTS = {
    "COMMS_PREFECT_PORT": 4200,
    "COMMS_API_PORT": 8000,
    "COMMS_KAFKA_PORT": 9092,
    "COMMS_CATCHER_SMTP_PORT": 1025,
    "COMMS_CATCHER_IMAP_PORT": 1143,
    "COMMS_CATCHER_WEB_PORT": 8025,
}


@contextmanager
def demo(therapists: int, console: Console) -> Iterator[tuple[Summary, Supervisor]]:
    """Bring everything up, do the daily job, and yield what came of it with the stack still up.

    Conflict in production. The environment of this process is changed to that of the demo.
    """
    refuse_production()
    home = HOME.absolute()
    with held(home):
        settings = enter_own_world(home)
        stack = compose(settings, sample=therapists)
        with (
            Log(home / "logs" / "stack.log", None) as log,
            Supervisor(stack.parts, stack.environment, home, log) as supervisor,
        ):
            yield _play(supervisor, settings, stack, therapists, console), supervisor


def refuse_production() -> None:
    """Sample data has no place beside real patients, not even in another folder."""
    given = {name.upper(): value for layer in (dotenv_values(ENV_FILE), os.environ) for name, value in layer.items()}
    if given.get("COMMS_ENVIRONMENT") == "production":
        raise Conflict("there is no demo in production: COMMS_ENVIRONMENT says production")


def enter_own_world(home: Path) -> Settings:
    """Forget every setting of the environment and `.env`; go home, where there is no `.env`; take free ports."""
    ours = {name for setting in names() for name in (setting, f"{setting}_FILE")}
    for name in [name for name in os.environ if name.upper() in ours or name.upper().startswith("PREFECT_")]:
        del os.environ[name]
    os.chdir(home)
    os.environ |= {"COMMS_HOME": str(home), **_free_ports()}
    get_config.cache_clear()
    return get_config()


def _free_ports() -> dict[str, str]:
    """The usual ports where they are free."""
    found: dict[str, str] = {}
    for name, usual in PORTS.items():
        found[name] = str(free_port(usual, avoid=map(int, found.values())))
    return found


def _play(supervisor: Supervisor, settings: Settings, stack: Stack, therapists: int, console: Console) -> Summary:
    with Display(console) as display:
        display.now("starting database, sample data, mail catcher, Prefect (the first time takes longer)")
        supervisor.on_ready = lambda part: display.done(f"{part} is ready")
        supervisor.start()
        job = DailyJob(prefect_url(settings), limit=min(10_000, max(500, therapists)))
        job.watch(supervisor, display)
        if parts.RELAY in supervisor.state():
            job.await_events(supervisor, display)
        flow_runs = {job.name: job.state}
        return _count(settings, stack.addresses, job.run_id, job.began, flow_runs)


def _count(
    settings: Settings, urls: Mapping[str, str], key: str, began: datetime, flow_runs: Mapping[str, str]
) -> Summary:
    from comms.bootstrap import sessions
    from comms.bootstrap.checking import check_invariants
    from comms.store.session import reading

    received, api_key = count_mails(settings.catcher_imap_port), keep_key(settings, SHORT)
    broken = check_invariants()["broken"]
    with reading(sessions()) as session:
        return summarise(session, key, began, received, broken, flow_runs, urls, api_key)
