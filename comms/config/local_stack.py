"""Where `comms up` puts what it starts. The API's port stands with the service itself."""

from __future__ import annotations

from pydantic import BaseModel

from comms.config.fields import setting


class LocalStack(BaseModel):
    """The local stack"""

    prefect_port: int = setting(
        4200, "COMMS_PREFECT_PORT", "Port of the Prefect server that `comms up` starts.", ge=1, le=65535
    )
    kafka_port: int = setting(
        9092,
        "COMMS_KAFKA_PORT",
        "Port of the Kafka broker that `comms up` starts where KAFKA_BOOTSTRAP_SERVERS is not set.",
        ge=1,
        le=65535,
    )
    catcher_smtp_port: int = setting(
        1025, "COMMS_CATCHER_SMTP_PORT", "Where the mail catcher of `comms up` takes mail.", ge=1, le=65535
    )
    catcher_imap_port: int = setting(
        1143, "COMMS_CATCHER_IMAP_PORT", "Where mail programs read what it caught.", ge=1, le=65535
    )
    catcher_web_port: int = setting(8025, "COMMS_CATCHER_WEB_PORT", "Where a browser shows it.", ge=1, le=65535)
