"""The settings of an installation, for child processes and for code in this process that reads them by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from comms import bootstrap
from comms.bootstrap import parts
from comms.config import get_config

_MADE_ONCE = (get_config, parts.engine, parts.sessions, parts.correspondence)


def environment(url: str, home: Path, smtp_port: int) -> dict[str, str]:
    """Database, folder and a mail server on loopback."""
    relay = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(smtp_port)}
    return {"DATABASE_URL": url, "COMMS_HOME": str(home)} | relay


@contextmanager
def configured(variables: Mapping[str, str]) -> Iterator[None]:
    """Let this process be that installation for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        _forget()
        yield
        bootstrap.engine().dispose()
        _forget()


def _forget() -> None:
    for made in _MADE_ONCE:
        made.cache_clear()
