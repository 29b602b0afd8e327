"""The settings themselves: what contradicts, and what production would refuse to start with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comms.config import Settings
from comms.doctor.findings import Finding, fault, ok

SUBJECT = "settings"
CURE = "docs/settings.md has each setting with its meaning"


def look(settings: Settings, faults: Sequence[str]) -> Iterator[Finding]:
    """`faults` are those that forbid a start, as reading the settings found them."""
    for line in faults:
        words, _, cure = line.partition("; ")
        yield fault(SUBJECT, words, cure or CURE)
    if not faults:
        yield ok(SUBJECT, f"{settings.environment}; they fit together")
