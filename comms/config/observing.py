"""What the service tells of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from comms.config.fields import Host, setting


class Observing(BaseModel):
    """Logs and metrics"""

    log_format: Literal["json", "text"] = setting(
        None,
        "COMMS_LOG_FORMAT",
        "One JSON object a line, or lines for people; always on standard error.",
        shown="json in production, else text",
        default_from=lambda known: "json" if known.get("environment") == "production" else "text",
    )
    metrics_host: Host = setting(
        "127.0.0.1", "COMMS_METRICS_HOST", "Where relay and launcher tell Prometheus; there is no key before it."
    )
    relay_metrics_port: int = setting(0, "COMMS_RELAY_METRICS_PORT", "Port of `comms relay`; 0: none.", ge=0, le=65535)
    launcher_metrics_port: int = setting(
        0, "COMMS_LAUNCHER_METRICS_PORT", "Port of `comms launcher`; 0: none.", ge=0, le=65535
    )
