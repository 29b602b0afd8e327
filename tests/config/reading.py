"""Reading the settings from an environment."""

from __future__ import annotations

import pytest

from comms.config import Settings, get_config
from comms.errors import ConfigurationError


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return get_config()


def faults(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read(monkeypatch, **environment)
    return error.value.faults
