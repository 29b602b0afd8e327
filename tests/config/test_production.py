"""What production refuses to start with."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.config.reading import faults, read

PRODUCTION = {
    "COMMS_ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://comms:kahF7ohgh@db.platzsuche.de/comms?sslmode=verify-full",
    "SMTP_HOST": "mail.platzsuche.de",
    "SMTP_SECURITY": "starttls",
    "SMTP_PASSWORD": "Eiz<ee9;ahy",
    "EMAIL_SENDER": "vermittlung@platzsuche.de",
    "COMMS_REPLY_TO": "antwort@platzsuche.de",
    "COMMS_UNSUBSCRIBE": "abmeldung@platzsuche.de",
    "COMMS_ORGANISATION": "Platzsuche gGmbH",
    "COMMS_LEGAL_FOOTER": "Platzsuche gGmbH, Hauptstraße 1, 10827 Berlin",
}


def test_a_complete_production_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, **PRODUCTION).environment == "production"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_SENDER", "vermittlung@platzsuche.example"),
        ("EMAIL_SENDER", "a@example.org"),
        ("COMMS_REPLY_TO", "a@mail.example.com"),
        ("COMMS_UNSUBSCRIBE", "abmeldung@platzsuche.example"),
        ("COMMS_ORGANISATION", "Platzsuche (Beispiel)"),
        ("COMMS_ORGANISATION", "<your name>"),
        ("EMAIL_SENDER_NAME", "your-name"),
        ("COMMS_LEGAL_FOOTER", ""),
        ("COMMS_LEGAL_FOOTER", "  "),
        ("COMMS_LEGAL_FOOTER", "<Impressum>"),
        ("DATABASE_URL", "postgresql://comms:changeme@127.0.0.1/comms"),
        ("SMTP_PASSWORD", "change-me"),
        ("SMTP_PASSWORD", "<password>"),
        ("SMTP_HOST", "smtp.example.org"),
        ("SMTP_SECURITY", "none"),
    ],
)
def test_production_refuses_placeholders_a_missing_footer_and_plain_mail(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    said = faults(monkeypatch, **(PRODUCTION | {name: value}))

    assert [line.split(":")[0] for line in said] == [name]
    assert not value.strip() or value not in said[0].split(";")[0].replace("without TLS", "").removeprefix(name)


def test_production_without_anything_set_has_one_line_per_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    said = faults(monkeypatch, COMMS_ENVIRONMENT="production")

    assert sorted(line.split(":")[0] for line in said) == [
        "COMMS_LEGAL_FOOTER",
        "COMMS_ORGANISATION",
        "COMMS_REPLY_TO",
        "COMMS_UNSUBSCRIBE",
        "EMAIL_SENDER",
    ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1"])
def test_production_allows_plain_mail_to_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert read(monkeypatch, **(PRODUCTION | {"SMTP_SECURITY": "none", "SMTP_HOST": host})).smtp_host == host


def test_development_may_use_all_of_that(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, SMTP_HOST="smtp.example.org", SMTP_PASSWORD="changeme").faults() == []


@pytest.mark.parametrize("name", ["PLATFORM_MATCHING_URL", "PLATFORM_THERAPIST_URL", "PLATFORM_PATIENT_URL"])
def test_production_asks_other_machines_for_health_data_over_tls_only(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert faults(monkeypatch, **(PRODUCTION | {name: "http://platform.platzsuche.de:8001"})) == [
        f"{name}: health data without TLS to another machine; use https"
    ]


@pytest.mark.parametrize("url", ["https://platform.platzsuche.de", "http://127.0.0.1:8001", "http://[::1]:1/x"])
def test_production_allows_tls_and_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert read(monkeypatch, **(PRODUCTION | {"PLATFORM_PATIENT_URL": url})).platform_patient_url == url


def test_production_refuses_a_token_that_is_a_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    said = faults(monkeypatch, **(PRODUCTION | {"COMMS_PLATFORM_TOKEN": "change-me"}))

    assert said == ["COMMS_PLATFORM_TOKEN: still a placeholder; set the real one"]


@pytest.mark.parametrize(
    "secret",
    [
        *(
            "changeme",
            "Change-Me!",
            "secret",
            "password",
            "Passwort1",
            "my-secret",
            "comms",
            "postgres",
            "kafka",
            "admin",
        ),
        *("geheim", "123456", "xxxxxx", "aaaaaaaa", "<token>", "your-password-here", "test123", "prefect", "todo"),
    ],
)
def test_production_refuses_secrets_that_everybody_knows(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    kafka = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "a", "KAFKA_SASL_PASSWORD": secret}
    url = f"postgresql://comms:{quote(secret, safe='')}@127.0.0.1/comms"
    given = {"DATABASE_URL": url, "SMTP_PASSWORD": secret, "COMMS_PLATFORM_TOKEN": secret.replace(" ", "")} | kafka

    said = faults(monkeypatch, **(PRODUCTION | given))

    names = ("DATABASE_URL", "SMTP_PASSWORD", "KAFKA_SASL_PASSWORD", "COMMS_PLATFORM_TOKEN")
    assert said == [f"{name}: still a placeholder; set the real one" for name in names]


@pytest.mark.parametrize(
    "secret", ["kahF7ohgh", "correct horse battery", "comms-Ahph7e", "mypassphrase-is-long", "0aQ"]
)
def test_production_takes_secrets_of_ones_own(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    assert read(monkeypatch, **(PRODUCTION | {"SMTP_PASSWORD": secret})).faults() == []


@pytest.mark.parametrize(
    "place",
    [
        *("db.platzsuche.de/comms", "db/comms?sslmode=require", "10.0.0.7/comms?sslmode=verify-ca"),
        *("localhost,db/comms?sslmode=disable", "/comms?host=db", "localhost/comms?host=db&sslmode=prefer"),
    ],
)
def test_production_verifies_the_database_on_another_machine(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    said = faults(monkeypatch, **(PRODUCTION | {"DATABASE_URL": f"postgresql://comms:kahF7ohgh@{place}"}))

    assert [line.split(":")[0] for line in said] == ["DATABASE_URL"]
    assert "sslmode=verify-full" in said[0]
    assert "kahF7ohgh" not in said[0]


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql://a:kahF7ohgh@127.0.0.1/c", "postgresql://a@[::1]/c", "postgresql:///c?host=/run/postgresql"),
        *("postgresql://a@db.platzsuche.de/c?sslmode=verify-full&sslrootcert=/etc/ca.pem", "sqlite:////tmp/c.db"),
    ],
)
def test_production_takes_a_verified_database_or_one_of_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert read(monkeypatch, **(PRODUCTION | {"DATABASE_URL": url})).faults() == []


@pytest.mark.parametrize(
    ("protocol", "servers"),
    [
        ("PLAINTEXT", "kafka.platzsuche.de:9092"),
        ("SASL_PLAINTEXT", "kafka.platzsuche.de:9092"),
        ("PLAINTEXT", "127.0.0.1:9092,10.0.0.7:9092"),
    ],
)
def test_production_sends_no_event_in_clear_to_another_machine(
    monkeypatch: pytest.MonkeyPatch, protocol: str, servers: str
) -> None:
    assert faults(monkeypatch, **(PRODUCTION | kafka(protocol, servers))) == [
        "KAFKA_SECURITY_PROTOCOL: events without TLS to another machine; set SASL_SSL or SSL"
    ]


@pytest.mark.parametrize(
    ("protocol", "servers"),
    [
        ("SASL_SSL", "kafka.platzsuche.de:9093"),
        ("SSL", "kafka.platzsuche.de:9093"),
        ("PLAINTEXT", "127.0.0.1:9092,[::1]:9092,localhost:9092"),
    ],
)
def test_production_speaks_to_brokers_over_tls_or_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, protocol: str, servers: str
) -> None:
    assert read(monkeypatch, **(PRODUCTION | kafka(protocol, servers))).kafka_bootstrap_servers == servers


def kafka(protocol: str, servers: str) -> dict[str, str]:
    login = {"KAFKA_SASL_USERNAME": "a", "KAFKA_SASL_PASSWORD": "Eiz<ee9;ahy"} if protocol.startswith("SASL") else {}
    return {"KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_SECURITY_PROTOCOL": protocol} | login
