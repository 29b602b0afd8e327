"""What more processes and more rows cost, over one PostgreSQL: senders, replicas of the API, the plan of a night."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

from sqlalchemy import text

from benchmarks.api.load import Load
from benchmarks.harness import Way, compare, speed
from benchmarks.sending import LETTER, queue_again, sink
from comms.rules.policy import ContactPolicy, SendingPolicy
from comms.rules.scopes import Scope
from comms.services.batching.decisions import store_decisions
from comms.services.keys import create_key
from comms.services.planning import plan_next_batch
from comms.services.sending import send_queued_emails
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.session import Sessions, make_sessions, writing
from tests.servers.postgres import database, postgres_server
from tests.servers.sending import queue_emails, smtp_sender
from tests.servers.uvicorn import uvicorn_server

EMAILS = 400
REQUESTS = 600
SENDERS = (4, 2, 1)
SIZES = (1_000, 10_000, 100_000)
"""Therapists; each has ten open requests."""

FILL = """
INSERT INTO therapists (id, last_name, email, mailbox, created_at, updated_at)
    SELECT n, 'Name ' || n, 'praxis' || n || '@therapie.example', 'praxis' || n || '@therapie.example', now(), now()
    FROM generate_series(1, {therapists}) n;
INSERT INTO patients (id, registered_on, created_at, updated_at)
    SELECT n, date '2026-01-01' + n % 300, now(), now() FROM generate_series(1, {therapists}) n;
INSERT INTO placement_requests (id, patient_id, therapist_id, created_at, updated_at)
    SELECT n, 1 + (n - 1) / 10, 1 + n % {therapists}, now(), now() FROM generate_series(1, {therapists} * 10) n;
ANALYZE therapists; ANALYZE patients; ANALYZE placement_requests
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, postgres_server(Path(folder), durable=True) as server:
        with _migrated(server) as url:
            _senders(url)
        with _migrated(server) as url:
            _replicas(url, Path(folder))
        for therapists in SIZES:
            with _migrated(server) as url:
                _plan(url, therapists)


@contextmanager
def _migrated(server: str) -> Iterator[str]:
    with database(server) as url:
        engine = make_engine(url)
        upgrade(engine)
        engine.dispose()
        yield url


def _sessions(url: str) -> Sessions:
    return make_sessions(make_engine(url))


def _senders(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    sessions = _sessions(url)
    queue_emails(sessions, EMAILS, raw=LETTER)
    with sink() as port, ExitStack() as pools:
        ways: dict[str, Way] = {}
        for count in SENDERS:
            pool = pools.enter_context(context.Pool(count))
            pool.map(_sleep_briefly, range(count))  # all of them are imported and at hand
            ways[f"senders: {count}"] = partial(_send, sessions, pool, count, (url, port))
        setting = f"{EMAILS} emails of 7 kB, two connections a sender, synced commits, the sink in one more process"
        compare("Senders over one PostgreSQL", "emails/s", ways, setting=setting)


def _sleep_briefly(_number: int) -> None:
    time.sleep(0.5)


def _send(sessions: Sessions, pool: Pool, count: int, where: tuple[str, int]) -> float:
    queue_again(sessions)
    return speed(EMAILS, lambda: _all_sent(pool.map(_send_what_is_due, [where] * count, chunksize=1)))


def _all_sent(sent: list[int]) -> None:
    assert sum(sent) == EMAILS, sent


def _send_what_is_due(where: tuple[str, int]) -> int:
    url, port = where
    policy = SendingPolicy(connections=2, chunk=25)
    return send_queued_emails(_sessions(url), smtp_sender(port), policy, datetime.now(UTC), limit=EMAILS).sent


def _replicas(url: str, folder: Path) -> None:
    sessions = _sessions(url)
    queue_emails(sessions, EMAILS, raw=LETTER)
    with writing(sessions) as session:
        key = create_key(session, "bench", [Scope.READ], datetime.now(UTC), "bench").key
    with ExitStack() as running:
        replicas = [
            running.enter_context(uvicorn_server(_made(folder / name), url, "--no-access-log")) for name in "ab"
        ]
        loads = [Load(replica.url, "GET", "/api/emails?limit=20", key) for replica in replicas]
        ways: dict[str, Way] = {"replicas: 2": lambda: _ask(loads), "replicas: 1": lambda: _ask(loads[:1])}
        setting = "a page of 20 emails; the clients and PostgreSQL are on the same cores"
        compare("Replicas of the API over one PostgreSQL", "requests/s", ways, setting=setting)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _ask(loads: list[Load]) -> float:
    with ThreadPoolExecutor(len(loads)) as at_once:
        return sum(at_once.map(lambda load: load.per_second(REQUESTS // len(loads)), loads))


def _plan(url: str, therapists: int) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text(FILL.format(therapists=therapists)))
    engine.dispose()
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        decided, stored, cpu, megabytes = fresh.apply(_plan_once, (url,))
    print(
        f"Plan of {therapists:,} therapists with {therapists * 10:,} open requests: decided in {decided:.1f} s,"
        f" stored in {stored:.1f} s, {cpu:.1f} s of both in this process; {megabytes:,.0f} MB more memory at the peak",
        flush=True,
    )


def _plan_once(url: str) -> tuple[float, float, float, float]:
    """Seconds to decide and to store by the wall, seconds of this process's CPU, megabytes added to its peak."""
    sessions, now = _sessions(url), datetime.now(UTC)
    with writing(sessions) as session:
        session.execute(text("SELECT 1"))
        before, began, cpu = _peak(), time.perf_counter(), time.process_time()
        decisions = plan_next_batch(session, now, ContactPolicy(), limit=500)
        decided = time.perf_counter()
        store_decisions(session, "bench", decisions, now)
        return decided - began, time.perf_counter() - decided, time.process_time() - cpu, _peak() - before


def _peak() -> float:
    """Megabytes; Linux counts kilobytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
