"""One command, one unit of work: the session, the instant and who acts."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import typer

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

    with commanding(), writing(sessions()) as session:
        yield Work(session, clock(session), actor())


@contextmanager
def commanding() -> Iterator[None]:
    """Name this command as the cause of what it changes, and tell it in one line of the log."""
    from comms import logs
    from comms.bootstrap import start_logging
    from comms.causes import caused_by, new_id

    start_logging(told=False)
    with caused_by(new_id()), logs.unit_of_work(logs.logger("comms.cli"), "command", command=_command()):
        yield


def _command() -> str:
    """The words of the command itself; what follows them may be a name or an address."""
    from comms.cli import app

    group, words = typer.main.get_command(app), []
    for word in sys.argv[1:]:
        known = getattr(group, "commands", {})
        if word not in known:
            break
        group = known[word]
        words.append(word)
    return " ".join(words)


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
