"""The key for the API that a local stack shows: made once, kept in its folder for its owner alone, never in a log."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from comms.config import Settings
from comms.rules.scopes import Scope
from comms.services.keys import LIFETIME, create_key, find_key
from comms.store.engines import clock, make_engine
from comms.store.session import make_sessions, writing

FILE = "api.key"
SHORT = timedelta(days=7)
"""For a demo."""
SOON = timedelta(days=1)
"""A key that ends by then is replaced."""


def keep_key(settings: Settings, lifetime: timedelta = LIFETIME) -> str | None:
    """Find the key of this folder, or make one; none in production, where people make their own.

    The database has to be there.
    """
    if settings.environment == "production":
        return None
    engine = make_engine(settings.database_url)
    try:
        with writing(make_sessions(engine)) as session:
            return _found(session, settings.home) or _made(session, settings.home, lifetime)
    finally:
        engine.dispose()


def _found(session: Session, home: Path) -> str | None:
    """None also where the file is of another database, or was spoiled."""
    try:
        kept = (home / FILE).read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    key = find_key(session, kept)
    return kept if key and key.usable(clock(session) + SOON) else None


def _made(session: Session, home: Path, lifetime: timedelta) -> str:
    """Kept before the commit: what cannot be kept is not made either."""
    now = clock(session)
    name = f"local stack {now:%Y-%m-%d} {secrets.token_hex(3)}"
    made = create_key(session, name, [Scope.ADMIN], now, "local stack", lifetime)
    _keep(home / FILE, made.key)
    return made.key


def _keep(path: Path, key: str) -> None:
    """A new file each time: an old one may be open to others."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key}\n")
