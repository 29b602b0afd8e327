"""`comms run …` in this process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from comms.cli import app


def run(*arguments: str) -> dict[str, Any]:
    """Run a job; return its counts."""
    result = CliRunner().invoke(app, ["run", *arguments, "--json"], catch_exceptions=False)
    counts: dict[str, Any] = json.loads(result.stdout)
    return counts
