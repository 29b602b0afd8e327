"""The REST API."""

from __future__ import annotations

from pydantic import BaseModel

from comms.config.fields import setting


class Api(BaseModel):
    """The API"""

    api_port: int = setting(8000, "COMMS_API_PORT", "Port of the API that `comms up` starts.", ge=1, le=65535)
    api_threads: int = setting(
        20,
        "COMMS_API_THREADS",
        "Requests at work at once in one API process, at most; with SQLite 8 that read and 1 that writes.",
        ge=1,
        le=30,
    )
    api_requests_per_minute: int = setting(
        6000, "COMMS_API_REQUESTS_PER_MINUTE", "For each key and process; more are answered with 429.", ge=1, le=10**6
    )
    api_failed_attempts_per_minute: int = setting(
        60,
        "COMMS_API_FAILED_ATTEMPTS_PER_MINUTE",
        "Unknown keys from one address, per process; more are answered with 429 and not looked up.",
        ge=1,
        le=10**6,
    )
