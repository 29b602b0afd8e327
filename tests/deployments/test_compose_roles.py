"""Who may do what in the PostgreSQL of docker-compose.yml: on an empty volume, and on one older than the roles."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege

from comms.store.database import upgrade
from comms.store.differences import differences
from comms.store.engines import make_engine
from comms.store.session import make_sessions, writing
from tests.deployments.compose import TOP, read
from tests.deployments.containers import Container, Machine
from tests.deployments.postgres_service import in_database, log_in, on_an_empty_volume, places, psql
from tests.factories import make_therapist
from tests.local_stack.parts import becomes_true
from tests.servers.postgres import answers, own_server

SERVICES = read("docker-compose.yml", {})["services"]
README = (TOP / "deployments/README.md").read_text()
BEFORE_THERE_WERE_ROLES = """
    ALTER ROLE postgres PASSWORD 'trial';
    CREATE ROLE comms LOGIN PASSWORD 'trial';
    CREATE DATABASE comms OWNER comms ENCODING 'UTF8' TEMPLATE template0;
    REVOKE ALL ON DATABASE comms FROM PUBLIC;
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with on_an_empty_volume(tmp_path_factory.mktemp("pg")) as url:
        migrate(url, "comms_owner")
        run_roles(url, tmp_path_factory.mktemp("machine"))
        yield url


def migrate(url: str, role: str) -> None:
    engine = make_engine(log_in(url, role, "trial"))
    upgrade(engine)
    engine.dispose()


def roles_service(url: str, folder: Path) -> Container:
    return Container("roles", SERVICES["roles"], Machine(folder, places(url)))


def run_roles(url: str, folder: Path) -> Container:
    service = roles_service(url, folder)
    service.start()
    service.wait_until("service_completed_successfully")
    return service


@contextmanager
def connected(url: str, role: str = "postgres") -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(log_in(url, role, "trial"))
    try:
        yield connection.cursor()
    finally:
        connection.close()


def ask(url: str, question: str, role: str = "postgres") -> list[object]:
    with connected(url, role) as cursor:
        cursor.execute(question)
        return [row[0] for row in cursor]


def test_the_owner_makes_the_tables_and_the_application_uses_them_and_cannot_change_them(fresh: str) -> None:
    assert ask(fresh, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == ["comms_owner"]
    assert ask(fresh, "SELECT count(*) FROM emails", "comms_app") == [0]
    with pytest.raises(InsufficientPrivilege):
        ask(fresh, "ALTER TABLE emails ADD COLUMN more int", "comms_app")


def test_the_reader_sees_what_was_migrated_just_now(fresh: str) -> None:
    assert ask(fresh, "SELECT has_column_privilege('comms_reader', 'emails', 'status', 'SELECT')") == [True]


@pytest.mark.parametrize(
    ("role", "password"),
    [("comms_app", ""), ("postgres", ""), ("comms_reader", ""), ("comms_reader", "trial"), ("prefect", "trial")],
)
def test_nobody_gets_in_without_a_password_and_prefect_not_at_all(fresh: str, role: str, password: str) -> None:
    assert not answers(log_in(fresh, role, password))


def test_roles_run_again_while_the_service_works(fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SERVICES["roles"]["environment"], "PGOPTIONS", "-c lock_timeout=2s")
    with connected(fresh, "comms_app") as under_way:
        under_way.execute("SELECT count(*) FROM emails")
        under_way.execute("DELETE FROM leases")
        run_roles(fresh, tmp_path)


def documented(pattern: str) -> list[str]:
    """The words of a command that deployments/README.md tells once."""
    (found,) = re.findall(pattern, README)
    return shlex.split(found)


def test_a_volume_from_before_there_were_roles_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    with own_server(tmp_path / "pg") as server:
        for statement in BEFORE_THERE_WERE_ROLES.strip().split(";")[:-1]:
            psql(server, "--command", statement)
        url = in_database(server, "comms")
        migrate(url, "comms")
        add_therapist(url, "comms")

        roles = run_roles(url, tmp_path)
        roles.execute(*documented(r"--no-deps roles (psql .+)"))
        ask_for_passwords(url)

        assert ask(url, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'comms%' ORDER BY 1") == [
            *("comms_app", "comms_owner", "comms_reader")
        ]
        owner = make_engine(log_in(url, "comms_owner", "trial"))
        assert differences(owner) == []
        owner.dispose()
        add_therapist(url, "comms_app")
        assert ask(url, "SELECT count(*) FROM therapists", "comms_app") == [2]
        with pytest.raises(InsufficientPrivilege):
            ask(url, "DROP TABLE emails", "comms_app")


def add_therapist(url: str, role: str) -> None:
    engine = make_engine(log_in(url, role, "trial"))
    with writing(make_sessions(engine)) as session:
        make_therapist(session)
    engine.dispose()


def ask_for_passwords(url: str) -> None:
    """The documented edit of pg_hba.conf in the volume, and the signal to read it."""
    (there,) = ask(url, "SHOW hba_file")
    *words, inside = documented(r"exec postgres (sed .+)")
    assert inside.startswith(SERVICES["postgres"]["volumes"][0].split(":")[1])
    subprocess.run([*words, str(there)], check=True)
    ask(url, "SELECT pg_reload_conf()")
    assert becomes_true(lambda: not answers(log_in(url, "postgres", "")), 30)
