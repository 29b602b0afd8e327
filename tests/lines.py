"""Lines of the log, as whoever collects them gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comms import logs


class Lines:
    """What was written to standard error since it was last asked, one JSON object a line."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        logs.configure("json")

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capture.readouterr().err.splitlines()]
