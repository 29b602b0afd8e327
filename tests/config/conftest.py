"""Settings that nobody outside the test has set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from comms.config import get_config
from comms.config.settings import names


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty working directory and an environment without any setting."""
    for name in list(os.environ):
        if name.removesuffix("_FILE") in names() or name.startswith(("COMMS_", "SMTP_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    get_config.cache_clear()
    yield tmp_path
    get_config.cache_clear()
