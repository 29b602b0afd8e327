"""What no single setting can tell: settings that contradict each other, and what is unsafe in production.

Every check returns lines of the form `NAME: what is wrong; what to do`, without any value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from comms.errors import ConfigurationError

if TYPE_CHECKING:
    from comms.config.settings import Settings

SAMPLE_DOMAIN = re.compile(r"(^|[@.])((example|test|invalid)|example\.(org|com|net|de))$", re.IGNORECASE)
SAMPLE_TEXT = re.compile(r"^$|^<.*>$|^your[-_ ]|change[-_ ]?me|\(beispiel\)|impressum folgt", re.IGNORECASE)
SAMPLE_SECRET = re.compile(
    SAMPLE_TEXT.pattern
    + r"|^(.)\1*$|^(comms|postgres|prefect|kafka|admin|root|guest|user|test|demo|example|token|geheim|trial"
    r"|(my|top|your)?[-_ ]?(pass(word|wort)?|secret|key)|1234\d*|qwert[yz]|letmein|todo|xxx+)[-_ ]?\d{0,4}!?$",
    re.IGNORECASE,
)
"""What documents, compose files and tired people put where a secret belongs."""

_OUR_NAMES = ("COMMS_", "SMTP_", "PLATFORM_")


def contradictions(settings: Settings) -> list[str]:
    """Say which settings cannot work together, anywhere."""
    return [*_lease(settings), *_tls(settings), *_calls(settings), *_kafka(settings)]


def _lease(settings: Settings) -> list[str]:
    longest = settings.smtp_connect_timeout + 4 * settings.smtp_command_timeout + settings.smtp_content_timeout
    if settings.lease_seconds > longest:
        return []
    return [f"COMMS_LEASE_SECONDS: one letter may take {longest:.0f} s by the SMTP timeouts; make it longer"]


def _tls(settings: Settings) -> list[str]:
    if settings.smtp_use_tls and settings.smtp_security == "none":
        return ["SMTP_SECURITY: none contradicts SMTP_USE_TLS=true; remove one of them"]
    return []


def _kafka(settings: Settings) -> list[str]:
    found = []
    if settings.kafka_heartbeat_ms * 3 > settings.kafka_session_timeout_ms:
        found.append("COMMS_KAFKA_HEARTBEAT_MS: at most a third of COMMS_KAFKA_SESSION_TIMEOUT_MS; make it smaller")
    if settings.kafka_security_protocol.startswith("SASL") and not settings.kafka_sasl_username:
        found.append("KAFKA_SASL_USERNAME: missing; KAFKA_SECURITY_PROTOCOL asks for a login")
    return found


def _calls(settings: Settings) -> list[str]:
    try:
        policy = settings.call_policy()
    except ConfigurationError as error:
        return error.faults
    if policy.lead >= policy.look_ahead:
        return [
            "COMMS_CALL_LEAD_MINUTES: no call fits before COMMS_CALL_LOOK_AHEAD_DAYS ends; make one of them smaller"
        ]
    return []


def dangers(settings: Settings) -> list[str]:
    """Say what must not go into production."""
    plain = [*_plaintext(settings), *_plain_database(settings), *_plain_kafka(settings), *_plain_http(settings)]
    return [*_placeholders(settings), *_footer(settings), *plain]


def _placeholders(settings: Settings) -> list[str]:
    domains = {
        "SMTP_HOST": settings.smtp_host,
        "EMAIL_SENDER": settings.email_sender,
        "COMMS_REPLY_TO": settings.reply_to,
        "COMMS_UNSUBSCRIBE": settings.unsubscribe,
    }
    texts = {"EMAIL_SENDER_NAME": settings.email_sender_name, "COMMS_ORGANISATION": settings.organisation}
    found = [name for name, value in domains.items() if SAMPLE_DOMAIN.search(value)]
    found += [name for name, value in texts.items() if SAMPLE_TEXT.search(value.strip())]
    found += [name for name, value in _secrets(settings) if value and SAMPLE_SECRET.search(value)]
    return [f"{name}: still a placeholder; set the real one" for name in found]


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "DATABASE_URL", unquote(urlsplit(settings.database_url).password or "")
    yield "SMTP_PASSWORD", settings.smtp_password.get_secret_value()
    yield "KAFKA_SASL_PASSWORD", settings.kafka_sasl_password.get_secret_value()
    yield "COMMS_PLATFORM_TOKEN", settings.platform_token.get_secret_value()


def _footer(settings: Settings) -> list[str]:
    footer = settings.legal_footer.strip()
    if not footer:
        return ["COMMS_LEGAL_FOOTER: missing; every letter needs an imprint"]
    if SAMPLE_TEXT.search(footer):
        return ["COMMS_LEGAL_FOOTER: still a placeholder; set the real one"]
    return []


def _plaintext(settings: Settings) -> list[str]:
    if settings.smtp_security != "none" or is_loopback(settings.smtp_host):
        return []
    return ["SMTP_SECURITY: mail without TLS to another machine; set starttls or tls"]


def _plain_database(settings: Settings) -> list[str]:
    """With less than verify-full anybody on the way can be the database."""
    url = urlsplit(settings.database_url)
    given = parse_qs(url.query)
    hosts = [host for named in [url.hostname or "", *given.get("host", [])] for host in named.split(",")]
    apart = [host for host in hosts if host and not host.startswith("/") and not is_loopback(host)]
    if url.scheme.startswith("sqlite") or not apart or given.get("sslmode") == ["verify-full"]:
        return []
    return ["DATABASE_URL: another machine whose certificate is not verified; add ?sslmode=verify-full&sslrootcert=…"]


def _plain_kafka(settings: Settings) -> list[str]:
    kafka = settings.get_kafka_settings()
    if kafka is None or kafka.security_protocol.endswith("SSL"):
        return []
    if all(is_loopback(server.rpartition(":")[0].strip("[]")) for server in kafka.bootstrap_servers):
        return []
    return ["KAFKA_SECURITY_PROTOCOL: events without TLS to another machine; set SASL_SSL or SSL"]


def _plain_http(settings: Settings) -> list[str]:
    urls = {
        "PLATFORM_MATCHING_URL": settings.platform_matching_url,
        "PLATFORM_THERAPIST_URL": settings.platform_therapist_url,
        "PLATFORM_PATIENT_URL": settings.platform_patient_url,
    }
    plain = [name for name, url in urls.items() if url.lower().startswith("http:") and not _is_local(url)]
    return [f"{name}: health data without TLS to another machine; use https" for name in plain]


def _is_local(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def misspelt(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Say which names are nearly those of settings and would be overlooked without a word."""
    settings = set(known)
    found = []
    for name in sorted({name.upper() for name in names} - settings):
        near = get_close_matches(name, settings, n=1, cutoff=0.9) if name.startswith(_OUR_NAMES) else []
        if near and name.removesuffix("_FILE") not in settings:
            found.append(f"{name}: there is no such setting; do you mean {near[0]}?")
    return found
