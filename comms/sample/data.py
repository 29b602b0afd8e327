"""`generate`: the sample as sequences that make each row when it is asked for; any size fits into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, overload

from comms.sample import patients as _patients
from comms.sample import therapists as _therapists

SEED = 7
THERAPISTS = 120
TODAY = date(2026, 11, 23)
"""The day on which the sample is made unless one is given: the same seed then gives the same data for ever."""

Row = dict[str, Any]


class Rows(Sequence[Row]):
    """Rows by number; each is made anew, and always the same."""

    def __init__(self, count: int, make: Callable[[int], Row]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        return map(self._make, range(self._count))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._make(number) for number in range(self._count)[index]]
        return self._make(range(self._count)[index])


@dataclass(frozen=True)
class SampleData:
    """Platform-style rows, with the German fields of the platform."""

    therapists: Rows
    patients: Rows
    placement_requests: Rows


def generate(therapists: int = THERAPISTS, *, seed: int = SEED, today: date = TODAY) -> SampleData:
    """Make the sample: per 120 therapists 400 patients and 600 requests. The same arguments give the same rows."""
    people = max(therapists * 10 // 3, 1)
    requests = people + (people + 1) // 2 if therapists > 1 else people
    sizes = (therapists, people)
    return SampleData(
        Rows(therapists, lambda number: _therapists.therapist(seed, number, today)),
        Rows(people, lambda number: _patients.patient(seed, number, today)),
        Rows(requests, lambda number: _patients.request(seed, number, today, sizes)),
    )
