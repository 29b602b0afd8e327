"""Which parts a stack has, and what a demo takes from the world around it: nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comms import logs
from comms.config import Settings, get_config
from comms.errors import Conflict
from comms.local_stack.demo import PORTS, enter_own_world, refuse_production
from comms.local_stack.home import held
from comms.local_stack.parts import bus
from comms.local_stack.ports import free_port
from comms.local_stack.stack import Stack, compose


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory and an environment that a test may spoil."""
    before = dict(os.environ)
    for name in [
        name for name in os.environ if name.startswith(("COMMS_", "PREFECT_", "SMTP_", "DATABASE_", "KAFKA_"))
    ]:
        del os.environ[name]
    monkeypatch.chdir(tmp_path)
    get_config.cache_clear()
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)
    get_config.cache_clear()


def stack(home: Path, **given: Any) -> Stack:
    return compose(Settings(home=home, **given))


def names(found: Stack) -> list[str]:
    return [part.name for part in found.parts]


def test_without_settings_everything_is_started(world: Path) -> None:
    assert names(stack(world)) == ["database", "kafka", "prefect", "mail", "worker", "api", "relay", "launcher"]


def test_a_prefect_server_that_is_named_is_used_and_none_started(world: Path) -> None:
    found = stack(world, prefect_api_url="http://prefect.local:4200/api")
    assert "prefect" not in names(found)
    assert found.environment["PREFECT_API_URL"] == "http://prefect.local:4200/api"
    assert "alone" not in next(part for part in found.parts if part.name == "worker").command
    assert "COMMS_PREFECT_PORT" not in [port.setting for port in found.ports]


@pytest.mark.parametrize("given", [{"smtp_host": "mail.local"}, {"smtp_port": 2525}])
def test_a_relay_that_is_named_is_used_and_no_catcher_started(world: Path, given: dict[str, Any]) -> None:
    found = stack(world, **given)
    assert "mail" not in names(found)
    assert "SMTP_HOST" not in found.environment
    assert [port.setting for port in found.ports] == ["COMMS_PREFECT_PORT", "COMMS_API_PORT", "COMMS_KAFKA_PORT"]


def test_brokers_that_are_named_are_used_and_none_started(world: Path) -> None:
    found = stack(world, kafka_bootstrap_servers="one.local:9092, two.local:9092")
    assert names(found)[-2:] == ["relay", "launcher"]
    assert "kafka" not in names(found)
    assert found.environment["KAFKA_BOOTSTRAP_SERVERS"] == found.addresses["kafka"] == "one.local:9092,two.local:9092"
    assert "COMMS_KAFKA_SESSION_TIMEOUT_MS" not in found.environment
    assert "COMMS_KAFKA_PORT" not in [port.setting for port in found.ports]


def test_the_embedded_broker_is_told_to_every_part_with_timeouts_that_suit_it(world: Path) -> None:
    found = stack(world, kafka_port=9094, kafka_security_protocol="SSL")
    assert found.environment["KAFKA_BOOTSTRAP_SERVERS"] == found.addresses["kafka"] == "127.0.0.1:9094"
    assert found.environment["KAFKA_SECURITY_PROTOCOL"] == "PLAINTEXT"
    assert found.environment["COMMS_KAFKA_SESSION_TIMEOUT_MS"] == "2000"
    assert "COMMS_KAFKA_SESSION_TIMEOUT_MS" not in stack(world, kafka_session_timeout_ms=9000).environment
    needs = {part.name: set(part.needs) for part in found.parts}
    assert needs["relay"] == needs["launcher"] == {"database", "kafka"}


def test_set_but_empty_there_is_no_kafka_and_that_is_said(world: Path) -> None:
    found = stack(world, kafka_bootstrap_servers="")
    assert not {"kafka", "relay", "launcher"} & set(names(found))
    assert found.addresses["kafka"] == "none: KAFKA_BOOTSTRAP_SERVERS is set but empty; events wait"


def test_where_no_broker_exists_for_the_platform_there_is_no_kafka_and_that_is_said(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comms.local_stack.kafka.broker_command", lambda port: None)
    found = stack(world)
    assert not {"kafka", "relay", "launcher"} & set(names(found))
    assert found.addresses["kafka"].startswith("none: no embedded broker for this platform")


def test_events_of_production_never_go_to_a_broker_that_forgets_them(world: Path) -> None:
    found = stack(world, environment="production")
    assert not {"kafka", "relay", "launcher"} & set(names(found))
    assert found.addresses["kafka"].startswith("none: KAFKA_BOOTSTRAP_SERVERS is not set")


def test_every_child_gets_the_absolute_home_and_the_database(world: Path) -> None:
    found = stack(Path("here"))
    assert found.environment["COMMS_HOME"] == str(world / "here")
    assert found.environment["DATABASE_URL"] == f"sqlite:///{world}/here/comms.db"
    assert found.environment["PREFECT_HOME"] == str(world / "here" / "prefect")


def test_a_database_from_a_secret_file_is_handed_on_without_contradiction(world: Path) -> None:
    (world / "url").write_text("postgresql://me:hush-hush@db.local/comms")
    os.environ["DATABASE_URL_FILE"] = str(world / "url")
    found = stack(world)
    assert found.environment["DATABASE_URL"] == "postgresql://me:hush-hush@db.local/comms"
    assert "DATABASE_URL_FILE" not in found.environment
    assert "hush" not in str(found.addresses)


def test_a_user_may_overrule_the_quiet_defaults_for_prefect(world: Path) -> None:
    os.environ["PREFECT_WORKER_QUERY_SECONDS"] = "5"
    found = stack(world)
    assert found.environment["PREFECT_WORKER_QUERY_SECONDS"] == "5"
    assert found.environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_the_worker_waits_for_database_and_mail_and_the_api_for_the_database(world: Path) -> None:
    needs = {part.name: set(part.needs) for part in stack(world).parts}
    assert needs["worker"] == {"database", "mail"}
    assert needs["api"] == {"database"}


def test_the_api_is_ready_when_it_is_healthy_and_writes_no_access_log(world: Path) -> None:
    (api,) = [part for part in stack(world).parts if part.name == "api"]
    assert "--no-access-log" in api.command
    assert api.command[api.command.index("--timeout-graceful-shutdown") + 1] == "4"
    assert api.ready is not None
    assert not api.ready()


def test_people_are_sent_to_the_documentation_of_the_api_unless_it_is_closed(world: Path) -> None:
    assert stack(world).addresses["api"] == "http://127.0.0.1:8000/docs"
    assert stack(world, environment="production").addresses["api"] == "http://127.0.0.1:8000/healthz"


def test_a_home_is_held_by_one_stack_at_a_time(world: Path) -> None:
    with held(world / "home"), pytest.raises(Conflict, match="another"), held(world / "home"):
        pass
    with held(world / "home"):
        assert (world / "home").stat().st_mode & 0o777 == 0o700


def test_a_demo_forgets_every_setting_of_the_environment_and_of_the_env_file(world: Path) -> None:
    (world / ".env").write_text("SMTP_HOST=real.relay\nCOMMS_CALLERS=7\n")
    home = world / "demo"
    home.mkdir()
    os.environ |= {
        "DATABASE_URL": "postgresql://real/db", "SMTP_PASSWORD_FILE": "/run/secret", "COMMS_CALLERS": "9",
        "PREFECT_API_URL": "http://real/api", "PREFECT_HOME": "/real", "KAFKA_BOOTSTRAP_SERVERS": "real:9092",
    }  # fmt: skip

    settings = enter_own_world(home)

    assert settings.database_url == f"sqlite:///{home}/comms.db"
    assert (settings.smtp_host, settings.callers, settings.prefect_api_url) == ("localhost", 1, "")
    assert settings.kafka_bootstrap_servers == ""
    found = compose(settings, sample=120)
    assert names(found) == ["database", "kafka", "prefect", "mail", "sample", "worker", "api", "relay", "launcher"]
    assert found.addresses["kafka"] == f"127.0.0.1:{settings.kafka_port}"
    assert "real" not in str({name: found.environment[name] for name in found.environment if "SMTP" in name})
    assert found.environment["PREFECT_HOME"] == str(home / "prefect")


def test_a_demo_takes_other_ports_where_the_usual_ones_are_taken(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_port()
    monkeypatch.setitem(PORTS, "COMMS_API_PORT", taken)
    monkeypatch.setattr("comms.local_stack.ports.is_free", lambda number: number != taken)
    settings = enter_own_world(world)
    ports = [port.number for port in compose(settings).ports]
    assert taken not in ports
    assert len(set(ports)) == 6


@pytest.mark.parametrize("where", ["environment", "env file"])
def test_there_is_no_demo_in_production(world: Path, where: str) -> None:
    if where == "environment":
        os.environ["COMMS_ENVIRONMENT"] = "production"
    else:
        (world / ".env").write_text("COMMS_ENVIRONMENT=production\n")
    with pytest.raises(Conflict, match="no demo in production"):
        refuse_production()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_program_of_the_bus_is_ready_when_it_says_so_in_either_form(
    form: logs.Form, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(form)
    for part in bus(()):
        assert part.says
        log = logs.logger(f"comms.{part.name}")
        log.info("already waiting")
        assert not re.search(part.says, capsys.readouterr().err)
        log.info("ready")
        assert re.search(part.says, capsys.readouterr().err)
    logs.configure("text", told=False)
