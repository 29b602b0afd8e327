"""Instructions for one request, without the HTTP server: a number that no neighbour of this machine changes.

Needs Debian's valgrind. The API and the Flask-RESTful routes run in a process of their own each, over PostgreSQL.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.api import fill
from tests.servers.postgres import database, postgres_server

ROWS = 300
COUNTED = 60
"""Requests, after as many that are not."""
WAYS = {
    "GET /api/emails?limit=50": ("ours", "GET", "/api/emails?limit=50"),
    "the same 50 rows by Flask-RESTful": ("flask", "GET", "/api/emails?limit=50"),
    "POST /api/emails": ("ours", "POST", "/api/emails"),
    "row, audit and event by Flask-RESTful": ("flask", "POST", "/api/told-emails"),
    "one row by Flask-RESTful": ("flask", "POST", "/api/emails"),
}
_CALLGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null")


def main() -> None:
    if not shutil.which("valgrind"):
        print("\nInstructions are not counted: valgrind is missing; it is a package of Debian")
        return
    print(f"\nInstructions for one request, PostgreSQL, {ROWS} emails; mean of {COUNTED}")
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server(Path(folder)) as server,
        database(server) as url,
    ):
        key = fill(url, ROWS)
        for name, way in WAYS.items():
            print(f"  {name:<38} {_count(url, key, *way):6.1f} million", flush=True)


def _count(url: str, key: str, *way: str) -> float:
    command = [*_CALLGRIND, sys.executable, "-m", "benchmarks.instructions.asking", *way, key, str(COUNTED)]
    environment = os.environ | {"DATABASE_URL": url, "COMMS_API_REQUESTS_PER_MINUTE": "1000000"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1]) / COUNTED / 1e6
