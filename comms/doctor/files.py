"""Files that others must not read: `.env`, secrets, keys, the folder of the service, a database that is a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from comms.config import Settings
from comms.config.settings import ENV_FILE, secret_names
from comms.doctor.findings import Finding, fault, ok, warning
from comms.store.engines import normalise_url

SUBJECT = "files"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
SIDES = ("", "-wal", "-shm")
"""What SQLite writes beside its file holds the same data."""


def look(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Say which of them are open to other users of this machine."""
    found = [*_private(settings), *_mounted(environment)]
    yield from found
    if not found:
        yield ok(SUBJECT, "nobody else on this machine can read secrets or data")


def _private(settings: Settings) -> Iterator[Finding]:
    tell = fault if settings.environment == "production" else warning
    for path in (Path(ENV_FILE), settings.home, settings.home / "api.key", *_database_files(settings)):
        if is_open(path):
            right = "700" if path.is_dir() else "600"
            yield tell(SUBJECT, f"{path} can be opened by other users", f"chmod {right} {path}")


def _mounted(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Docker mounts secrets readable for all of a container that has one user; so this is no fault."""
    for name in secret_names():
        path = environment.get(f"{name}_FILE")
        if path and is_open(Path(path)):
            yield warning(SUBJECT, f"{name}_FILE can be read by other users", f"chmod 400 {path}")


def _database_files(settings: Settings) -> list[Path]:
    url = normalise_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return []
    return [Path(url.database + side) for side in SIDES]


def is_open(path: Path) -> bool:
    """Say whether group or others may do anything with it; what is not there is closed."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False
