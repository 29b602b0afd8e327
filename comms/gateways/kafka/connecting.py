"""From our settings to the arguments of the client library."""

from __future__ import annotations

from typing import Any

from comms.config.kafka import KafkaSettings

BOOTSTRAP_MS = 3_000
"""So long a first answer is waited for."""


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


def code_of(error: BaseException) -> str:
    """The error's name: its words may hold addresses."""
    return type(error).__name__.removesuffix("Error")
