"""`comms` as operators start it: an interpreter of its own, which ends as one does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

START = "import sys; from comms.cli import main; main()"


def comms(environment: Mapping[str, str], *words: str, first: str = "") -> subprocess.CompletedProcess[str]:
    """Run it to its end; `first` is Python that runs before anything is imported."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", f"{first}\n{START}", *words],
        env={**given, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def done(environment: Mapping[str, str], *words: str) -> None:
    """Run it, and require that it went well."""
    ended = comms(environment, *words)
    assert ended.returncode == 0, ended.stderr
