"""What is particular about importing each kind: what must come before its rows are locked, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from comms.services.intake.fields import Columns
from comms.services.intake.merging import Change
from comms.services.intake.records import Counts, Kind, Note
from comms.services.intake.rows import Row


@dataclass
class Chunk:
    """Rows of one kind, each id once, on their way through one transaction, and what became of them."""

    kind: Kind
    rows: Sequence[Row]
    now: datetime
    actor: str
    moved: set[int] = field(default_factory=set)
    """Ids of requests whose status changes besides their facts."""
    changed: set[int] = field(default_factory=set)
    """Ids of rows that were created or that said something new."""
    counts: Counts = field(default_factory=Counts)
    refusals: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)
    stubs: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows]


class Subject:
    """The hooks of a kind; patients need none of them."""

    def foresee(self, session: Session, chunk: Chunk, before: dict[int, Columns]) -> None:
        """Find out what `make_way` would do; writes nothing."""

    def make_way(self, session: Session, chunk: Chunk, before: dict[int, Columns]) -> None:
        """Do what locks patients, emails and calls: they are locked before these rows, everywhere."""

    def settle(self, change: Change, now: datetime) -> None:
        """Complete a merged row; RowRefused when it cannot stand."""

    def follow(self, session: Session, chunk: Chunk, changes: Sequence[Change]) -> None:
        """Do what must follow from rows that are written, in the same transaction."""
