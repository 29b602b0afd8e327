"""Which Kafka a local stack has: the brokers that are named, the embedded one, or none, and then why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from comms.config import Settings
from comms.local_stack.broker import broker_command
from comms.local_stack.ports import HOST, Port

GROUP_TIMEOUTS = {"COMMS_KAFKA_SESSION_TIMEOUT_MS": "2000", "COMMS_KAFKA_HEARTBEAT_MS": "500"}
"""The embedded broker lets a launcher in after half the session timeout; real ones refuse so short a one."""


@dataclass(frozen=True)
class Kafka:
    """`where` is the brokers' address for programs and people, or says why there are none."""

    where: str
    is_there: bool
    command: tuple[str, ...] = ()
    """How to start it; empty where it is not ours."""
    ports: tuple[Port, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def choose_kafka(settings: Settings) -> Kafka:
    """Take what is named; else start one, which forgets everything when it ends and so is nothing for production."""
    given = settings.get_kafka_settings()
    if given:
        servers = ",".join(given.bootstrap_servers)
        return Kafka(servers, True, environment={"KAFKA_BOOTSTRAP_SERVERS": servers})
    if "kafka_bootstrap_servers" in settings.model_fields_set:
        return _none("KAFKA_BOOTSTRAP_SERVERS is set but empty")
    if settings.environment == "production":
        return _none("KAFKA_BOOTSTRAP_SERVERS is not set, and the embedded broker is not for production")
    command = broker_command(settings.kafka_port)
    if command is None:
        return _none("no embedded broker for this platform; set KAFKA_BOOTSTRAP_SERVERS")
    return _embedded(settings, command)


def _none(why: str) -> Kafka:
    return Kafka(f"none: {why}; events wait", False)


def _embedded(settings: Settings, command: list[str]) -> Kafka:
    servers = f"{HOST}:{settings.kafka_port}"
    chosen = {"kafka_session_timeout_ms", "kafka_heartbeat_ms"} & settings.model_fields_set
    timeouts = {} if chosen else GROUP_TIMEOUTS
    return Kafka(
        servers,
        True,
        tuple(command),
        (Port(settings.kafka_port, "the embedded Kafka broker", "COMMS_KAFKA_PORT"),),
        {"KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT", **timeouts},
    )
