"""What goes through the intake: a record as it came in, and what is reported about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a record is about; the order is the order of import."""

    THERAPISTS = "therapists"
    PATIENTS = "patients"
    PLACEMENT_REQUESTS = "placement_requests"


@dataclass(frozen=True)
class Record:
    """One row of a file, or one answer of the platform, untranslated.

    `place` says where it stands ("therapists.csv, line 7"); `fault` is a code of `reasons` when the row could not be
    read at all, or its kind is not known.
    """

    kind: Kind | None
    place: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True)
class Note:
    """Why a row, or one field of it, did not go in: place, field and a code of `reasons`; never a value."""

    place: str
    kind: Kind | None
    field: str | None
    reason: str


@dataclass
class Counts:
    """How the rows of one kind ended; the other five add up to `read`."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    merged: int = 0
    """Rows whose id was given again later in the same import: both were read, the later one won."""
    refused: int = 0


@dataclass
class ImportReport:
    """What an import did. Holds ids, places, codes and counts only."""

    counts: dict[str, Counts] = field(default_factory=lambda: {kind.value: Counts() for kind in Kind})
    """By kind; `unrecognised` for rows of which nobody could say what they are."""
    refusals: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)
    """Facts that were left out of rows that went in, and whatever else a person should know."""
    ignored: dict[str, Counter[str]] = field(default_factory=dict)
    """Fields that have no place here: {kind: {field: rows}}."""
    stubs: Counter[str] = field(default_factory=Counter)
    """Therapists and patients that requests named before anything was known of them."""
    effects: Counter[str] = field(default_factory=Counter)
    """What followed: requests_withdrawn, requests_reopened, emails_canceled, emails_stale, calls_canceled …"""

    def counts_of(self, kind: Kind | None) -> Counts:
        return self.counts.setdefault(kind.value if kind else "unrecognised", Counts())

    def refuse(self, note: Note) -> None:
        self.counts_of(note.kind).refused += 1
        self.refusals.append(note)

    def add(self, other: ImportReport) -> None:
        """Take in the report of a further part of the same import."""
        for name, theirs in other.counts.items():
            ours = self.counts.setdefault(name, Counts())
            for column, number in vars(theirs).items():
                setattr(ours, column, getattr(ours, column) + number)
        self.refusals += other.refusals
        self.warnings += other.warnings
        self.stubs += other.stubs
        self.effects += other.effects
        for name, fields in other.ignored.items():
            self.ignored.setdefault(name, Counter()).update(fields)

    @property
    def rows(self) -> int:
        return total(self.counts.values(), "read")

    @property
    def refused(self) -> int:
        return total(self.counts.values(), "refused")


@dataclass(frozen=True)
class Taken:
    """The report of records that went in together, and the ids of those that were new or said something new."""

    report: ImportReport
    changed: set[int]


def total(counts: Iterable[Counts], column: str) -> int:
    """Sum one column over several kinds."""
    return sum(getattr(count, column) for count in counts)
