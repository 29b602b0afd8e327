"""Python's collector of garbage, told how a program of ours makes objects: many that stay, and few in circles.

Starting takes a quarter less time with it, a page of emails over HTTP a tenth.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (50_000, 20, 100)
"""So many more objects than were given back, and so often the younger of the three generations, before it looks."""


def collect_seldom() -> None:
    """Let this process look for garbage seldom: by itself Python does it after every 700 objects."""
    gc.set_threshold(*SELDOM)


@contextmanager
def nothing_but_imports() -> Iterator[None]:
    """Do not look while this block makes what stays for as long as the process, and at none of it later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
