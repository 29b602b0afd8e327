"""Requests per second: the API, beside a bare FastAPI route and a Flask-RESTful one with marshalling."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from benchmarks.api.load import CLIENTS, Load
from benchmarks.harness import Way, compare
from comms.rules.scopes import Scope
from comms.services.keys import create_key
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.session import make_sessions, writing
from tests.factories import make_sent_email, make_therapist
from tests.servers.postgres import database, postgres_server
from tests.servers.processes import dies_with_parent, free_port

ROWS = 5000
READS, WRITES = 1200, 400
"""Requests in one round."""
LETTER = "<p>Guten Tag,</p>" + "<p>eine Anfrage für einen Therapieplatz, mit freundlichen Grüßen</p>" * 40
EMAIL = json.dumps(
    {
        "therapist_id": 101,
        "subject": "Anfrage {n}",
        "body_html": LETTER,
        "body_text": "eine Anfrage für einen Therapieplatz, mit freundlichen Grüßen\n" * 40,
        "recipient_email": "praxis{n}@therapie.example",
        "recipient_name": "Dr. Andrea Müller",
    }
)
UVICORN = ("-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--host", "127.0.0.1", "--port")
GUNICORN = ("-m", "gunicorn", "--workers", "1", "--threads", "20", "--log-level", "error", "--bind")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _measure("SQLite", f"sqlite:///{folder}/comms.db")
        with postgres_server(Path(folder), durable=True) as server, database(server) as url:
            _measure("PostgreSQL", url)


def _measure(name: str, database_url: str) -> None:
    key = fill(database_url, ROWS)
    with ExitStack() as running:
        ours = running.enter_context(_server(database_url, *UVICORN, "{port}", "api.app:app"))
        bare = running.enter_context(_server(database_url, *UVICORN, "{port}", "benchmarks.api.others:bare"))
        flask = running.enter_context(
            _server(database_url, *GUNICORN, "127.0.0.1:{port}", "benchmarks.api.others:flask")
        )
        setting = f"{CLIENTS} clients with kept connections, one process each, {ROWS} emails, synced commits"
        reads = {
            where: Load(url, "GET", "/api/emails?limit=50", key) for where, url in (("ours", ours), ("flask", flask))
        }
        assert _ids(reads["ours"]) == _ids(reads["flask"])
        ways: dict[str, Way] = {
            "bare sync FastAPI route": lambda: Load(bare, "GET", "/bare").per_second(READS),
            "GET /api/emails?limit=50": lambda: reads["ours"].per_second(READS),
            "the same 50 rows by Flask-RESTful": lambda: reads["flask"].per_second(READS),
        }
        compare(f"Reading emails over HTTP, {name}", "requests/s", ways, rounds=7, setting=setting)
        ways = {
            "POST /api/emails": lambda: Load(ours, "POST", "/api/emails", key, EMAIL).per_second(WRITES),
            "row, audit and event by Flask-RESTful": lambda: Load(
                flask, "POST", "/api/told-emails", key, EMAIL
            ).per_second(WRITES),
            "one row by Flask-RESTful": lambda: Load(flask, "POST", "/api/emails", key, EMAIL).per_second(WRITES),
        }
        compare(f"Writing emails over HTTP, {name}", "requests/s", ways, rounds=7, setting=setting)


def _ids(load: Load) -> list[int]:
    return [email["id"] for email in json.loads(load.answer())]


def fill(database_url: str, rows: int) -> str:
    """Put that many emails there; return a key for all that there is."""
    engine = make_engine(database_url)
    upgrade(engine)
    with writing(make_sessions(engine)) as session:
        therapist, now = make_therapist(session, id=101), datetime.now(UTC)
        for hour in range(rows):
            make_sent_email(session, therapist, at=now - timedelta(hours=hour), body_html=LETTER, body_text=LETTER)
        made = create_key(session, "benchmark", [Scope.ADMIN], now, "benchmark")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"))
    engine.dispose()
    return made.key


@contextmanager
def _server(database_url: str, *command: str) -> Iterator[str]:
    port = free_port()
    environment = os.environ | {"DATABASE_URL": database_url, "COMMS_API_REQUESTS_PER_MINUTE": "1000000"}
    arguments = [sys.executable, *(part.format(port=port) for part in command)]
    with subprocess.Popen(
        arguments, env=environment, stderr=subprocess.DEVNULL, preexec_fn=dies_with_parent()
    ) as process:
        try:
            _wait(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url)
        except urllib.error.HTTPError:
            return
        except OSError:
            assert process.poll() is None, "a server did not start"
            time.sleep(0.05)
    raise TimeoutError(url)
