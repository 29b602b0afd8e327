"""The roles of `deployments/postgres/roles.sql` on a real server, made as operators make them: with psql."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from comms.store.database import upgrade
from comms.store.engines import make_engine
from tests.servers.postgres import binaries_of_server, database, own_server
from tests.test_layout import ROOT

SCRIPT = ROOT / "deployments/postgres/roles.sql"


@contextmanager
def database_with_roles(folder: Path) -> Iterator[str]:
    """A database that its owner has migrated, with the roles made before and after; yields the administrator's URL.

    On a server of its own: roles belong to all databases of a server.
    """
    with own_server(folder) as server, database(server) as url:
        make_roles(url)
        owner = make_engine(as_role(url, "comms_owner"))
        upgrade(owner)
        owner.dispose()
        make_roles(url)
        yield url


def make_roles(url: str, **passwords: str) -> None:
    """Run the script in the database of `url` as its administrator; `owner`, `app` and `reader` get passwords."""
    given = {f"COMMS_{name.upper()}_PASSWORD": password for name, password in passwords.items()}
    plain = url.replace("+psycopg2", "")
    command = [program("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", plain]
    done = subprocess.run(
        [*command, "--file", str(SCRIPT)], env=os.environ | given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def program(name: str) -> str:
    """A program of PostgreSQL: beside the server of the tests, else of this machine."""
    beside = binaries_of_server() / name
    return str(beside) if beside.exists() else shutil.which(name) or str(Path(name))


def as_role(url: str, role: str) -> str:
    """The same database for another login; the servers of the tests ask for no password."""
    return make_url(url).set(username=role, password=None).render_as_string(hide_password=False)
