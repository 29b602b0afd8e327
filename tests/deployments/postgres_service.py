"""The PostgreSQL of docker-compose.yml on this machine: as its image leaves an empty volume, and where it is then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from tests.deployments.compose import TOP, read
from tests.servers.postgres import own_server
from tests.servers.roles import program

SERVICE: dict[str, Any] = read("docker-compose.yml", {})["services"]["postgres"]
GIVEN = {name: value for name, value in SERVICE["environment"].items() if value is not None}


@contextmanager
def on_an_empty_volume(folder: Path) -> Iterator[str]:
    """Yield the administrator's URL of the service's database, as docker-entrypoint.sh of the image leaves it."""
    with own_server(folder, password=GIVEN["POSTGRES_PASSWORD"]) as server:
        psql(server, "--command", f"CREATE DATABASE {GIVEN['POSTGRES_DB']}")
        url = in_database(server, GIVEN["POSTGRES_DB"])
        for script in _scripts():
            psql(url, "--file", str(TOP / script), environment=GIVEN)
        yield url


def _scripts() -> list[str]:
    """Those that stand in docker-entrypoint-initdb.d, by their names there."""
    mounted = [place.split(":") for place in SERVICE["volumes"] if "/docker-entrypoint-initdb.d/" in place]
    return [here for here, _there, _mode in sorted(mounted, key=lambda place: str(place[1]))]


def psql(url: str, *words: str, environment: Mapping[str, str] | None = None) -> None:
    plain = [program("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", url]
    subprocess.run([*plain, *words], env=os.environ | (environment or {}), check=True)


def in_database(url: str, name: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{name}"


def log_in(url: str, role: str, password: str) -> str:
    return make_url(url).set(username=role, password=password).render_as_string(hide_password=False)


def places(url: str) -> dict[str, str]:
    """What stands here for its host name, its socket and the script that `roles` finds in its container."""
    host, port = make_url(url).host, str(make_url(url).port)
    return {
        "^postgres:5432|(?<=@)postgres:5432": f"{host}:{port}", "^/var/run/postgresql$": str(host), "^5432$": port,
        r"^/roles\.sql$": str(TOP / "deployments/postgres/roles.sql"),
    }  # fmt: skip
