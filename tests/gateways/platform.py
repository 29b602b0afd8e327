"""Settings of the platform's gateway for tests."""

from __future__ import annotations

from typing import Any

from comms.config.platform import PlatformSettings

HASTY: dict[str, Any] = {"read_timeout": 0.5, "call_timeout": 0.8}
"""For servers that keep silent; all others get the time that a loaded machine may need."""


def settings(url: str, **values: Any) -> PlatformSettings:
    default = {
        "matching_url": url, "therapist_url": url, "patient_url": url, "token": None, "connect_timeout": 10,
        "read_timeout": 20, "call_timeout": 30, "run_seconds": 60, "connections": 8,
    }  # fmt: skip
    return PlatformSettings(**(default | values))
