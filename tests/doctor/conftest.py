"""A good installation on loopback, in production: every part is a real server, but Prefect (`tests/flows` has that)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from comms.config import get_config
from comms.doctor import Finding, State
from comms.doctor.examination import Wishes, examine_installation
from comms.services.inbox.shapes import TOPICS
from tests.config.conftest import folder
from tests.servers.kafka import Broker, broker
from tests.servers.names import NameServer, Zone
from tests.servers.platform import PlatformServer
from tests.servers.prefect import PrefectDouble
from tests.servers.roles import as_role, database_with_roles
from tests.servers.smtp import SmtpServer
from tests.servers.topics import publish

__all__ = ["folder"]  # an empty working directory, and no setting from outside

ZONE: Zone = {
    ("platzsuche.de", "TXT"): ['"v=spf1 mx -all"', '"other=1"'],
    ("platzsuche.de", "MX"): ["10 mail.platzsuche.de."],
    ("s1._domainkey.platzsuche.de", "TXT"): ['"v=DKIM1; k=rsa; " "p=MIIBIjANBg"'],
    ("_dmarc.platzsuche.de", "TXT"): ['"v=DMARC1; p=quarantine"'],
}


@dataclass
class Installation:
    """Its parts, and the environment that names them; tests break one of them and look."""

    environment: dict[str, str]
    names: NameServer
    relay: SmtpServer
    platform: PlatformServer
    prefect: PrefectDouble
    postgres: str
    home: Path
    monkeypatch: pytest.MonkeyPatch

    def look(self, *, patience: float = 60, send_to: str | None = None) -> list[Finding]:
        for name, value in self.environment.items():
            self.monkeypatch.setenv(name, value)
        get_config.cache_clear()
        return examine_installation(Wishes(False, send_to, self.names.address, patience))

    def trouble(self, **given: float) -> list[tuple[str, State, str]]:
        """What is not well: subject, state, and words with the cure."""
        found = self.look(**given)  # type: ignore[arg-type]
        return [(f.subject, f.state, f"{f.words}; {f.cure}") for f in found if f.state is not State.OK]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        for topic in ("communication-events", *TOPICS):
            publish(running.servers, topic, [("a", b"{}")])
        yield running


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with database_with_roles(tmp_path_factory.mktemp("pg")) as url:
        yield url


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def installation(
    folder: Path, kafka: Broker, roles: str, authority: trustme.CA, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    home, ca_file = folder / "home", folder / "ca.pem"
    home.mkdir(mode=0o700)
    authority.cert_pem.write_to_path(str(ca_file))
    with ExitStack() as running:
        relay = running.enter_context(SmtpServer(tls=tls, users={"comms": "kahF7ohgh"}))
        names, platform = running.enter_context(NameServer(dict(ZONE))), running.enter_context(PlatformServer())
        prefect = running.enter_context(PrefectDouble())
        environment = {
            "COMMS_ENVIRONMENT": "production",
            "COMMS_HOME": str(home),
            "DATABASE_URL": as_role(roles, "comms_app"),
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(relay.port),
            "SMTP_SECURITY": "starttls",
            "SMTP_USERNAME": "comms",
            "SMTP_PASSWORD": "kahF7ohgh",
            "COMMS_SMTP_CA_FILE": str(ca_file),
            "EMAIL_SENDER": "vermittlung@platzsuche.de",
            "COMMS_REPLY_TO": "antwort@platzsuche.de",
            "COMMS_UNSUBSCRIBE": "abmeldung@platzsuche.de",
            "COMMS_ORGANISATION": "Platzsuche gGmbH",
            "COMMS_LEGAL_FOOTER": "Platzsuche gGmbH, Hauptstraße 1, 10827 Berlin",
            "COMMS_DKIM_SELECTOR": "s1",
            "KAFKA_BOOTSTRAP_SERVERS": kafka.servers,
            "PLATFORM_MATCHING_URL": platform.url,
            "PLATFORM_PATIENT_URL": platform.url,
            "PREFECT_API_URL": prefect.url,
        }
        yield Installation(environment, names, relay, platform, prefect, roles, home, monkeypatch)


Break = Callable[[Installation], None]
