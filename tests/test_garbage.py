"""How the collector of garbage is told what to leave alone."""

from __future__ import annotations

import gc
from contextlib import suppress

from comms import garbage


class Failed(Exception):
    """What a test raises in the middle of the imports."""


def test_what_a_block_made_is_not_looked_through_again() -> None:
    before = gc.get_freeze_count()

    with garbage.nothing_but_imports():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]

    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)


def test_after_a_failure_it_looks_for_garbage_again() -> None:
    with suppress(Failed), garbage.nothing_but_imports():
        raise Failed

    assert gc.isenabled()
