"""SQLite, its process killed at random moments under load: what was acknowledged is there, and the file is whole."""

from __future__ import annotations

import random
from collections import Counter
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, select, text

from comms.store.models import Suppression
from comms.store.session import make_sessions, reading
from tests.api.conftest import make_key
from tests.faults.api_clients import Clients
from tests.faults.figures import SEED, Note
from tests.faults.history import History
from tests.faults.judging import contradictions
from tests.local_stack.parts import becomes_true
from tests.servers.api import server_process


def test_killed_at_random_moments_sqlite_keeps_whatever_was_acknowledged(
    empty_sqlite: Engine, tmp_path: Path, figure: Note, whole: bool
) -> None:
    sessions, chance = make_sessions(empty_sqlite), random.Random(SEED)
    key, history, numbers = make_key(sessions, "write"), History(tmp_path / "history"), count(1)
    kills = 20 if whole else 2
    for _ in range(kills):
        with server_process(str(empty_sqlite.url)) as (address, process):
            clients, moment = Clients(address, key, history, numbers), chance.randrange(5, 60)
            with clients.asking(4):
                assert becomes_true(lambda c=clients, m=moment: len(c.good) >= m, 120), clients.codes  # type: ignore[misc]
                process.kill()
                process.join()
        with empty_sqlite.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    with reading(sessions) as session:
        there = Counter(session.scalars(select(Suppression.mailbox)))
    told = history.read()
    assert contradictions(sessions, asked=told, there=there) == []
    counted = Counter(question.told.value for question in told)
    promise = "ok is there once, unknown at most once; integrity_check ok"
    figure("SQLite killed under load", promise, f"{kills} kills, {dict(counted)}, wrong 0 (seed {SEED})")
