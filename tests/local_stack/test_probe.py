"""Whether a part lives: an address that answers, or a file that is touched at every turn."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from comms.bootstrap.enduring import endure
from comms.config import get_config
from comms.local_stack.ports import HOST, free_port
from comms.local_stack.probe import SILENCE, lives


@pytest.mark.parametrize(("age", "expected"), [(0, True), (SILENCE - 1, True), (SILENCE, False)])
def test_a_part_lives_until_its_file_is_old(tmp_path: Path, age: float, expected: bool) -> None:
    file = tmp_path / "part.alive"
    file.touch()
    assert lives(str(file), file.stat().st_mtime + age) is expected


def test_without_its_file_or_without_an_answer_it_does_not_live(tmp_path: Path) -> None:
    assert not lives(str(tmp_path / "part.alive"), time.time())
    assert not lives(f"http://{HOST}:{free_port()}/healthz", time.time())


def test_a_program_shows_that_it_lives_also_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMS_HOME", str(tmp_path))
    get_config.cache_clear()
    stop, seen = threading.Event(), []

    def turn() -> float:
        seen.append(lives(str(tmp_path / "comms.part.alive"), time.time()))
        stop.set()
        raise OperationalError("", {}, ConnectionError(), connection_invalidated=True)

    endure(turn, stop, "comms.part")
    get_config.cache_clear()
    assert seen == [True]
