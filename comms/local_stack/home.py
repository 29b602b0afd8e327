"""The folder of a stack: made for its owner alone, and held by one stack at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comms.errors import ConfigurationError, Conflict


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the folder; Conflict when another stack holds it. The system lets go of it even after kill -9."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (home / "stack.lock").open("w")
    except OSError as error:
        raise ConfigurationError([f"COMMS_HOME: {home} cannot be used ({error.strerror})"]) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another `comms up` or `comms demo` runs in {home}; end it, or set COMMS_HOME") from None
        yield
