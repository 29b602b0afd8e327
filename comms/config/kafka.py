"""The platform's bus. Without brokers there is no Kafka, and everything else works."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, SecretStr

from comms.config.fields import File, OneLine, setting

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaSettings(BaseModel):
    """How to reach the brokers. Times in milliseconds."""

    bootstrap_servers: list[str]
    client_id: str
    group_id: str
    security_protocol: Protocol
    mechanism: Mechanism | None
    username: str | None
    password: SecretStr | None
    ca_file: Path | None
    session_timeout_ms: int
    heartbeat_ms: int


class Kafka(BaseModel):
    """Kafka"""

    kafka_bootstrap_servers: OneLine = setting(
        "", "KAFKA_BOOTSTRAP_SERVERS", "Brokers, HOST:PORT with commas between. Set but empty: no Kafka.", shown="none"
    )
    kafka_security_protocol: Protocol = setting(
        "PLAINTEXT", "KAFKA_SECURITY_PROTOCOL", "Certificates are always verified."
    )
    kafka_sasl_mechanism: Mechanism = setting("SCRAM-SHA-512", "KAFKA_SASL_MECHANISM", "With SASL_SSL.")
    kafka_sasl_username: str = setting("", "KAFKA_SASL_USERNAME", "With SASL_SSL.", secret=True, shown="none")
    kafka_sasl_password: SecretStr = setting(SecretStr(""), "KAFKA_SASL_PASSWORD", "With SASL_SSL.", secret=True)
    kafka_ca_file: File | None = setting(
        None, "COMMS_KAFKA_CA_FILE", "Certificates to trust instead of the system's.", shown="the system's"
    )
    kafka_client_id: OneLine = setting("communication-service", "COMMS_KAFKA_CLIENT_ID", "As brokers log it.")
    kafka_group_id: OneLine = setting(
        "communication-service", "COMMS_KAFKA_GROUP", "Launchers with the same group share the work."
    )
    kafka_session_timeout_ms: int = setting(
        45_000,
        "COMMS_KAFKA_SESSION_TIMEOUT_MS",
        "A launcher that is silent for this long is replaced; brokers refuse less than 6000 unless told otherwise.",
        ge=1_000,
        le=300_000,
    )
    kafka_heartbeat_ms: int = setting(
        3_000, "COMMS_KAFKA_HEARTBEAT_MS", "At most a third of the session timeout.", ge=100, le=100_000
    )
    batch_on_match: bool = setting(
        False, "COMMS_BATCH_ON_MATCH", "`true`: write at once when a match arrives, not with the next daily batch."
    )

    def get_kafka_settings(self) -> KafkaSettings | None:
        """None where there is no Kafka."""
        servers = [server.strip() for server in self.kafka_bootstrap_servers.split(",") if server.strip()]
        sasl = self.kafka_security_protocol.startswith("SASL")
        return (
            KafkaSettings(
                bootstrap_servers=servers,
                client_id=self.kafka_client_id,
                group_id=self.kafka_group_id,
                security_protocol=self.kafka_security_protocol,
                mechanism=self.kafka_sasl_mechanism if sasl else None,
                username=self.kafka_sasl_username if sasl else None,
                password=self.kafka_sasl_password if sasl else None,
                ca_file=self.kafka_ca_file,
                session_timeout_ms=self.kafka_session_timeout_ms,
                heartbeat_ms=self.kafka_heartbeat_ms,
            )
            if servers
            else None
        )
