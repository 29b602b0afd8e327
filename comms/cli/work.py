"""One command, one unit of work: the session, the instant and who acts."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # keeps `comms --help` fast
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Work:
    session: Session
    now: datetime
    actor: str


@contextmanager
def changing() -> Iterator[Work]:
    """Open a transaction that is committed at the end; `now` is the database's clock."""
    from comms.bootstrap import sessions
    from comms.store.engines import clock
    from comms.store.session import writing

    with writing(sessions()) as session:
        yield Work(session, clock(session), actor())


@contextmanager
def looking() -> Iterator[Work]:
    """Open a transaction that only reads."""
    from comms.bootstrap import sessions
    from comms.store.engines import clock
    from comms.store.session import reading

    with reading(sessions()) as session:
        yield Work(session, clock(session), actor())


def actor() -> str:
    """Name the login for the audit log; a container may have none."""
    try:
        return f"cli:{getpass.getuser()}"[:100]
    except (KeyError, OSError):
        return "cli:unknown"
