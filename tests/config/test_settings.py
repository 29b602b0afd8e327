"""Settings: names, defaults, secrets in files, and what refuses to start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from comms.config import Settings, get_config
from comms.config.settings import names
from comms.errors import ConfigurationError
from tests.config.reading import faults, read


@pytest.mark.parametrize(
    ("name", "attribute", "default"),
    [
        ("SMTP_HOST", "smtp_host", "localhost"),
        ("SMTP_PORT", "smtp_port", 1025),
        ("SMTP_USERNAME", "smtp_username", ""),
        ("SMTP_USE_TLS", "smtp_use_tls", False),
        ("SMTP_SECURITY", "smtp_security", "none"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers", ""),
        ("PREFECT_API_URL", "prefect_api_url", ""),
        ("COMMS_ENVIRONMENT", "environment", "development"),
        ("COMMS_CALLERS", "callers", 1),
        ("COMMS_DEFAULT_LAND", "default_land", None),
        ("COMMS_TEMPLATES", "templates", None),
        ("COMMS_SMTP_CONNECTIONS", "smtp_connections", 2),
    ],
)
def test_the_names_of_the_specification_have_their_defaults(name: str, attribute: str, default: Any) -> None:
    assert name in names()
    assert getattr(get_config(), attribute) == default


def test_every_default_of_the_domain_reaches_its_policy() -> None:
    settings = get_config()

    contacts, calls, sending = settings.contact_policy(), settings.call_policy(), settings.sending_policy()

    assert (contacts.window, contacts.cooling) == (timedelta(hours=168), timedelta(weeks=4))
    assert (contacts.patients_per_email, contacts.zone.key) == (5, "Europe/Berlin")
    assert (calls.follow_up_after, calls.minutes, calls.lead) == (timedelta(hours=168), 5, timedelta(minutes=30))
    assert (calls.look_ahead, calls.tries, calls.retry_after) == (timedelta(days=14), 3, timedelta(days=1))
    assert (calls.no_slot_patience, calls.callers, calls.default_land) == (timedelta(days=3), 1, None)
    assert calls.caller_hours["monday"] == [("08:00", "18:00")]
    assert (sending.give_up_after, sending.connections) == (timedelta(hours=72), 2)


def test_a_name_that_is_not_ours_is_not_read(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    settings = read(monkeypatch, HOME="/somewhere", CALLERS="7", ENVIRONMENT="production", TEMPLATES="/nowhere")

    assert (settings.home, settings.callers, settings.templates) == (folder / ".comms", 1, None)


def test_the_home_is_absolute_and_the_database_lies_in_it(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    settings = read(monkeypatch, COMMS_HOME="data")
    monkeypatch.chdir("/")

    assert settings.home == folder / "data"
    assert settings.database_url == f"sqlite:///{folder}/data/comms.db"


def test_a_relative_sqlite_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert read(monkeypatch, DATABASE_URL="sqlite:///x.db").database_url == f"sqlite:///{folder}/x.db"


@pytest.mark.parametrize("url", ["sqlite:////a/b.db", "sqlite://", "sqlite:///:memory:", "postgres://u:p@h/d"])
def test_other_database_urls_stay_as_they_are(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert read(monkeypatch, DATABASE_URL=url).database_url == url


def test_the_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / ".env").write_text("\ufeffSMTP_PORT=2525\nSMTP_HOST=relay\nSOMETHING_ELSE=1\n", encoding="utf-8")

    settings = read(monkeypatch, SMTP_HOST="other")

    assert (settings.smtp_host, settings.smtp_port) == ("other", 2525)


def test_an_empty_value_means_the_default_and_hides_the_env_file(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / ".env").write_text("SMTP_USERNAME=someone\n")

    settings = read(monkeypatch, SMTP_PORT="", SMTP_USERNAME="", COMMS_DEFAULT_LAND="", DATABASE_URL="")

    assert (settings.smtp_port, settings.smtp_username, settings.default_land) == (1025, "", None)
    assert settings.database_url.endswith("/comms.db")


def test_an_env_file_that_is_not_text_is_named(folder: Path) -> None:
    (folder / ".env").write_bytes(b"COMMS_ORGANISATION=\xfcber\n")

    with pytest.raises(ConfigurationError, match=r"^\.env: cannot be read"):
        get_config()


@pytest.mark.parametrize("name", ["DATABASE_URL", "SMTP_USERNAME", "SMTP_PASSWORD"])
def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    (folder / "secret").write_text("postgresql://u: p@h/d\n")

    settings = read(monkeypatch, **{f"{name}_FILE": str(folder / "secret")})

    value = getattr(settings, name.lower())
    assert getattr(value, "get_secret_value", lambda: value)() == "postgresql://u: p@h/d"


def test_the_env_file_may_name_a_secret_file_too(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "secret").write_text("fromfile")
    (folder / ".env").write_text(f"SMTP_PASSWORD_FILE={folder}/secret\nSMTP_USERNAME_FILE={folder}/secret\n")

    settings = read(monkeypatch, SMTP_USERNAME="from environment")

    assert settings.smtp_password.get_secret_value() == "fromfile"
    assert settings.smtp_username == "from environment"


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "secret").write_text("one")

    said = faults(monkeypatch, SMTP_PASSWORD="two", SMTP_PASSWORD_FILE=str(folder / "secret"))

    assert said == ["SMTP_PASSWORD: set it or SMTP_PASSWORD_FILE, not both"]


def test_every_secret_file_that_cannot_be_read_has_its_line(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "empty").write_text("\n")
    (folder / "binary").write_bytes(b"\xff\xfe\xfa")

    said = faults(
        monkeypatch,
        DATABASE_URL_FILE=str(folder / "none"),
        SMTP_USERNAME_FILE=str(folder / "empty"),
        SMTP_PASSWORD_FILE=str(folder / "binary"),
    )

    assert said == [
        "DATABASE_URL_FILE: cannot be read (No such file or directory)",
        "SMTP_USERNAME_FILE: the file is empty",
        "SMTP_PASSWORD_FILE: is not UTF-8 text",
    ]


@pytest.mark.parametrize(
    ("environment", "security", "use_tls"),
    [
        ({}, "none", False),
        ({"SMTP_USE_TLS": "true"}, "starttls", True),
        ({"SMTP_USE_TLS": "true", "SMTP_SECURITY": "tls"}, "tls", True),
        ({"SMTP_USE_TLS": "false", "SMTP_SECURITY": "tls"}, "tls", True),
        ({"SMTP_SECURITY": "starttls"}, "starttls", True),
    ],
)
def test_use_tls_means_starttls_unless_the_security_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], security: str, use_tls: bool
) -> None:
    smtp = read(monkeypatch, **environment).get_smtp_settings()

    assert (smtp.security, smtp.use_tls) == (security, use_tls)


def test_tls_wanted_and_refused_at_once_is_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    said = faults(monkeypatch, SMTP_USE_TLS="true", SMTP_SECURITY="none")

    assert said == ["SMTP_SECURITY: none contradicts SMTP_USE_TLS=true; remove one of them"]


def test_the_smtp_settings_hold_everything_the_gateway_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    smtp = read(
        monkeypatch,
        SMTP_HOST="relay",
        SMTP_PORT="587",
        SMTP_USERNAME="me",
        SMTP_PASSWORD="pw",
        SMTP_USE_TLS="true",
        EMAIL_SENDER="a@b.de",
        EMAIL_SENDER_NAME="Ä B",
    ).get_smtp_settings()

    assert (smtp.host, smtp.port, smtp.username, smtp.use_tls) == ("relay", 587, "me", True)
    assert (smtp.sender, smtp.sender_name) == ("a@b.de", "Ä B")
    assert smtp.password is not None
    assert smtp.password.get_secret_value() == "pw"


def test_without_login_there_is_neither_name_nor_password() -> None:
    smtp = get_config().get_smtp_settings()

    assert (smtp.username, smtp.password) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_PORT", "zwölf"),
        ("SMTP_PORT", "70000"),
        ("SMTP_USE_TLS", "vielleicht"),
        ("SMTP_SECURITY", "ssl"),
        ("SMTP_HOST", "smtp://relay"),
        ("SMTP_HOST", "relay:25/x"),
        ("EMAIL_SENDER", "Vermittlung <a@b.de>"),
        ("EMAIL_SENDER", "a@b.de, c@d.de"),
        ("EMAIL_SENDER", "a@b.de\r\nBcc: c@d.de"),
        ("EMAIL_SENDER_NAME", "Platz\nBcc: c@d.de"),
        ("COMMS_ENVIRONMENT", "staging"),
        ("COMMS_HOME", "~niemand-hier/x"),
        ("COMMS_TIME_ZONE", "Europa/Berlin"),
        ("COMMS_TIME_ZONE", "../../etc"),
        ("COMMS_DEFAULT_LAND", "XX"),
        ("COMMS_CALL_MINUTES", "7"),
        ("COMMS_CONTACT_WINDOW_HOURS", "0"),
        ("COMMS_CONTACT_WINDOW_HOURS", "999999999999999999"),
        ("COMMS_SMTP_CONTENT_TIMEOUT", "nan"),
        ("COMMS_SMTP_CONTENT_TIMEOUT", "inf"),
        ("COMMS_TEMPLATES", "/there/is/none"),
        ("COMMS_SMTP_CA_FILE", "/there/is/none.pem"),
        ("DATABASE_URL", "mysql://root:geheim@host/x"),
        ("DATABASE_URL", "geheim"),
    ],
)
def test_a_bad_value_gives_one_line_that_names_it_and_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    said = faults(monkeypatch, **{name: value})

    assert len(said) == 1
    assert said[0].startswith(f"{name}: ")
    assert value not in said[0].removeprefix(name)
    assert "\n" not in said[0]
    assert "Value error" not in said[0]


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = faults(monkeypatch, SMTP_PORT="x", COMMS_CALLERS="0", COMMS_HOME="~niemand-hier/x")

    assert [line.split(":")[0] for line in said] == ["COMMS_HOME", "SMTP_PORT", "COMMS_CALLERS"]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"COMMS_LEASE_SECONDS": "60"}, "COMMS_LEASE_SECONDS"),
        ({"COMMS_CALLER_HOURS": "{}"}, "COMMS_CALLER_HOURS"),
        ({"COMMS_CALLER_HOURS": "immer"}, "COMMS_CALLER_HOURS"),
        ({"COMMS_CALL_LEAD_MINUTES": "2000", "COMMS_CALL_LOOK_AHEAD_DAYS": "1"}, "COMMS_CALL_LEAD_MINUTES"),
    ],
)
def test_settings_that_cannot_work_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], named: str
) -> None:
    said = faults(monkeypatch, **environment)

    assert said
    assert all(line.startswith(f"{named}: ") for line in said)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("COMMS_CALERS", "COMMS_CALLERS"),
        ("SMTP_PASWORD", "SMTP_PASSWORD"),
        ("COMMS_CONTACT_WINDOW_HOUR", "COMMS_CONTACT_WINDOW_HOURS"),
    ],
)
def test_a_misspelt_name_is_told_and_not_overlooked(monkeypatch: pytest.MonkeyPatch, given: str, meant: str) -> None:
    assert faults(monkeypatch, **{given: "1"}) == [f"{given}: there is no such setting; do you mean {meant}?"]


def test_a_misspelt_name_in_the_env_file_is_told_too(folder: Path) -> None:
    (folder / ".env").write_text("COMMS_CALERS=3\n")

    with pytest.raises(ConfigurationError, match="do you mean COMMS_CALLERS"):
        get_config()


def test_names_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    read(monkeypatch, COMMS_API_SERVICE_HOST="10.0.0.1", COMMS_API_PORT_8000_TCP="tcp://x", SMTP_RELAY_NAME="x")


def test_settings_do_not_show_secrets_when_they_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch, DATABASE_URL="postgresql://u:geheim@h/d", SMTP_USERNAME="geheim", SMTP_PASSWORD="geheim"
    )

    assert "geheim" not in repr(settings) + str(settings) + repr(settings.get_smtp_settings().password)


def test_arguments_win_over_the_environment_in_both_spellings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "secret").write_text("from file")
    monkeypatch.setenv("COMMS_CALLERS", "2")
    monkeypatch.setenv("SMTP_PASSWORD_FILE", str(folder / "secret"))

    assert Settings(callers=3).callers == 3
    assert Settings(COMMS_CALLERS=4).callers == 4
    assert Settings(smtp_password="given").smtp_password.get_secret_value() == "given"


def test_an_argument_that_is_no_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="there is no setting caller"):
        Settings(caller=3)


def test_the_settings_are_read_once_and_cannot_be_changed() -> None:
    assert get_config() is get_config()
    with pytest.raises(ValueError, match="frozen"):
        get_config().callers = 2
