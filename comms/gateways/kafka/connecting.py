"""From our settings to the arguments of the client library."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient
from kafka.protocol.metadata import MetadataRequest

from comms.config.kafka import KafkaSettings
from comms.ports import BrokerAway

BOOTSTRAP_MS = 3_000
"""So long a first answer is waited for."""

REFUSALS = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError)


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What producers and consumers need alike."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "security_protocol": settings.security_protocol,
        "ssl_check_hostname": True,
        "reconnect_backoff_max_ms": 1_000,  # a broker that comes back is found within a second
        "bootstrap_timeout_ms": BOOTSTRAP_MS,
        "metrics_enabled": False,
    }
    if settings.ca_file:
        options["ssl_cafile"] = str(settings.ca_file)
    if settings.mechanism:
        options |= {
            "sasl_mechanism": settings.mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password.get_secret_value() if settings.password else None,
        }
    return options


def away(settings: KafkaSettings, error: BaseException) -> BrokerAway:
    """Why there is no connection. The library tells of a refused certificate or login as of silence, so we ask anew."""
    return BrokerAway(code_of(_refusal(settings) or error))


def _refusal(settings: KafkaSettings) -> Exception | None:
    """What stands between us and the first broker that is there: TLS or the login; None where it is neither."""
    for server in settings.bootstrap_servers if settings.security_protocol != "PLAINTEXT" else ():
        try:
            _greet(settings, server)
        except ssl.SSLError as refused:
            return refused
        except (OSError, ValueError):
            continue
        return _refused_login(settings) if settings.mechanism else None
    return None


def _greet(settings: KafkaSettings, server: str) -> None:
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    with socket.create_connection((host, int(port)), BOOTSTRAP_MS / 1000) as plain:
        if settings.security_protocol.endswith("SSL"):
            context = ssl.create_default_context(cafile=settings.ca_file)
            context.wrap_socket(plain, server_hostname=host).close()


def _refused_login(settings: KafkaSettings) -> KafkaError | None:
    """Whoever greets us and hangs up on the login refuses it; the library loses words that come with the hanging up."""
    client = KafkaNetClient(**client_options(settings))
    try:
        answer = client.send(client.cluster.bootstrap_brokers()[0].node_id, MetadataRequest())
        client.poll(timeout_ms=BOOTSTRAP_MS, future=answer)
        hung_up = answer.is_done and isinstance(answer.exception, KafkaConnectionError)
        refused = answer.is_done and isinstance(answer.exception, REFUSALS)
        return SaslAuthenticationFailedError() if hung_up else answer.exception if refused else None
    finally:
        client.close()


def code_of(error: BaseException) -> str:
    """The error's name: its words may hold addresses."""
    return type(error).__name__.removesuffix("Error")
