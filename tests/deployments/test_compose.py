"""The compose files: valid by the specification, in order, closed, bounded; no known secret works in production."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from comms.config import Settings
from tests.deployments.compose import TOP, Missing, in_order, read

SCHEMA = json.loads((TOP / "tests/deployments/schema/compose-spec.json").read_text())
SECRETS = {
    "POSTGRES_PASSWORD": "one", "COMMS_DATABASE_PASSWORD": "two", "PREFECT_DATABASE_PASSWORD": "three",
    "PREFECT_AUTH_STRING": "admin:four", "COMMS_OWNER_PASSWORD": "five",
}  # fmt: skip
BY_SOCKET = {
    "migrate": "postgresql://comms_owner:five@/comms?host=/var/run/postgresql",
    "api": "postgresql://comms_app:two@/comms?host=/var/run/postgresql",
}
SERVICES: dict[str, Any] = read("docker-compose.yml", {})["services"]
STEPS = {"migrate", "roles", "deploy"}
ENDURING = sorted(set(SERVICES) - STEPS)
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)


@pytest.mark.parametrize("name", ["docker-compose.yml", "compose.production.yml", "compose.test.yml"])
def test_a_file_is_valid_by_the_schema_of_the_specification(name: str) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(read(name, SECRETS))


def test_the_schema_refuses_what_compose_would() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate({"services": {"api": {"image": "x", "restrat": "always"}}})


def test_every_service_waits_for_what_it_needs() -> None:
    order = in_order(SERVICES)
    for earlier, later in [
        ("postgres", "migrate"), ("migrate", "roles"), ("prefect-server", "deploy"), ("roles", "api"),
        ("roles", "worker"), ("roles", "relay"), ("roles", "launcher"), ("deploy", "worker"),
        ("kafka", "relay"), ("kafka", "launcher"), ("mailpit", "worker"),
    ]:  # fmt: skip
        assert order.index(earlier) < order.index(later)
    conditions = {
        (needed, how["condition"])
        for service in SERVICES.values()
        for needed, how in service.get("depends_on", {}).items()
    }
    assert conditions == {
        (name, "service_completed_successfully" if name in STEPS else "service_healthy") for name, _ in conditions
    }
    assert {name for name, _ in conditions} >= STEPS, "`up --wait` takes a step that nobody waits for as a failure"


@pytest.mark.parametrize("name", ["migrate", "api"])
@pytest.mark.parametrize("given", [{}, {"DATABASE_URL": "postgresql://a:b@c/d"}])
def test_a_database_of_ones_own_is_that_of_every_part_and_may_have_an_owner(name: str, given: dict[str, str]) -> None:
    owner = {"COMMS_OWNER_DATABASE_URL": "postgresql://e:f@c/d"}

    def told(more: dict[str, str]) -> str:
        service = read("compose.production.yml", SECRETS | given | more)["services"][name]
        return str(service["environment"]["DATABASE_URL"])

    assert told({}) == given.get("DATABASE_URL", BY_SOCKET[name])
    assert told(owner) == (owner["COMMS_OWNER_DATABASE_URL"] if name == "migrate" else told({}))


def test_only_api_prefect_and_mailpit_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api", "prefect-server", "mailpit"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_may_do_nothing_that_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") or name == "kafka"  # its start writes its configuration


@pytest.mark.parametrize("name", ENDURING)
def test_what_endures_says_whether_it_is_well_and_is_started_again(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_is_no_child_of_a_shell(name: str) -> None:
    assert isinstance(SERVICES[name]["command"], list)
    assert SERVICES[name]["command"][0] not in ("sh", "bash")


def test_only_the_migration_logs_in_as_the_owner() -> None:
    logins = {name: SERVICES[name]["environment"].get("DATABASE_URL", "").split(":")[1:2] for name in OURS}
    assert {name for name, login in logins.items() if login == ["//comms_owner"]} == {"migrate"}
    assert {name for name, login in logins.items() if login == ["//comms_app"]} == set(OURS) - {
        *("migrate", "prefect-server")
    }


def test_postgres_makes_databases_and_roles_and_asks_for_a_password_through_its_socket_too() -> None:
    given, made = SERVICES["postgres"]["environment"], SERVICES["postgres"]["volumes"]
    assert given["POSTGRES_DB"] == SERVICES["roles"]["environment"]["PGDATABASE"] == "comms"
    assert given["POSTGRES_INITDB_ARGS"] == "--auth=scram-sha-256"
    assert [place.split("/")[-1] for place in made if "initdb.d" in place] == ["databases.sql:ro", "roles.sql:ro"]
    assert given["COMMS_READER_PASSWORD"] is None


@pytest.mark.parametrize("name", ["migrate", "api"])
def test_with_the_secrets_of_the_trial_nothing_starts_in_production(name: str) -> None:
    given = SERVICES[name]["environment"]
    faults = Settings(database_url=given["DATABASE_URL"], environment="production").faults()
    assert "DATABASE_URL: still a placeholder; set the real one" in faults


@pytest.mark.parametrize("name", SECRETS)
def test_without_one_of_the_secrets_compose_refuses_production(name: str) -> None:
    with pytest.raises(Missing, match=name):
        read("compose.production.yml", SECRETS | {name: ""})


def test_in_production_every_part_has_the_secret_of_its_role_and_no_other_one() -> None:
    parts = read("compose.production.yml", SECRETS)["services"]
    for name in set(OURS) - {"prefect-server"}:
        told = json.dumps(parts[name]["environment"])
        role = "five" if name == "migrate" else "two"
        assert {secret for secret in SECRETS.values() if secret in told} == {role, "admin:four"}
