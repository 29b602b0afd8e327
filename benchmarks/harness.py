"""Measuring ways of doing the same thing against each other: interleaved rounds, medians, ratios with their spread."""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Mapping
from statistics import median

Way = Callable[[], float]
"""Does the work once and returns its speed, e.g. emails per second; it times itself, so set-up need not count."""


def compare(title: str, unit: str, ways: Mapping[str, Way], *, rounds: int = 5, setting: str = "") -> None:
    """Print the speed of each way, and how many times as fast as the last one it is; the last is the yardstick.

    Every round runs every way once, in turning order, so that a busy moment of the machine hits all of them.
    """
    print(f"\n{title}\n  {_machine()}{'; ' + setting if setting else ''}; {rounds} interleaved rounds")
    speeds = _measure(ways, rounds)
    yardstick = list(speeds.values())[-1]
    width = max(map(len, ways))
    for name, found in speeds.items():
        ratios = sorted(own / other for own, other in zip(found, yardstick, strict=True))
        spread = "" if found is yardstick else f"   {median(ratios):.1f} x  ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        print(f"  {name:<{width}}  {median(found):10,.0f} {unit}{spread}", flush=True)


def _measure(ways: Mapping[str, Way], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in ways}
    gc.collect()
    gc.freeze()  # what the benchmark holds besides is looked through for nobody
    names = list(ways)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(ways[name]())
    return found


def speed(count: int, work: Callable[[], object]) -> float:
    """Do `work`, which handles `count` things, and return how many it handles per second."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def _machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores"
