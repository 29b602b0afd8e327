"""One chunk of rows of one kind, in one transaction: compare, write what differs, do what must follow."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from comms.services.intake import snapshots
from comms.services.intake.fields import Columns
from comms.services.intake.merging import Change, merge
from comms.services.intake.records import Kind, Note
from comms.services.intake.requests import Requests
from comms.services.intake.rows import Row, RowRefused
from comms.services.intake.subjects import Chunk, Subject
from comms.services.intake.therapists import Therapists
from comms.store.session import Sessions, reading, writing

_SUBJECTS: dict[Kind, type[Subject]] = {
    Kind.THERAPISTS: Therapists,
    Kind.PATIENTS: Subject,
    Kind.PLACEMENT_REQUESTS: Requests,
}


def import_chunk(sessions: Sessions, chunk: Chunk) -> None:
    """Bring the rows in and count in `chunk` what became of them."""
    with writing(sessions) as session:
        bring_in(session, chunk)


def bring_in(session: Session, chunk: Chunk) -> None:
    """Do the same in the caller's transaction."""
    subject = _SUBJECTS[chunk.kind]()
    subject.make_way(session, chunk, snapshots.load(session, chunk.kind, chunk.ids))
    pending = chunk.rows
    while pending:  # a second time only for rows that somebody else created in between
        pending = _bring_in(session, subject, chunk, pending)


def foresee_chunk(sessions: Sessions, chunk: Chunk) -> None:
    """Count what bringing the rows in would do; writes nothing."""
    subject = _SUBJECTS[chunk.kind]()
    with reading(sessions) as session:
        before = snapshots.load(session, chunk.kind, chunk.ids)
        subject.foresee(session, chunk, before)
        for change in _merged(subject, chunk, chunk.rows, before):
            _count(chunk, change)


def _bring_in(session: Session, subject: Subject, chunk: Chunk, rows: Sequence[Row]) -> list[Row]:
    """Write what differs; return the rows that were new and that somebody else created first."""
    before = snapshots.load(session, chunk.kind, [row.id for row in rows], lock=True)
    changes = _merged(subject, chunk, rows, before)
    new = [change for change in changes if change.before is None]
    created = snapshots.create(session, chunk.kind, [change.after for change in new])
    changed = [change for change in changes if change.before is not None and change.fields]
    snapshots.rewrite(session, chunk.kind, [change.after for change in changed])
    written = [change for change in new if change.row.id in created] + changed
    moved = [change for change in changes if change.row.id in chunk.moved and not change.fields]
    snapshots.write_trail(session, written + moved, chunk.moved, chunk.now, chunk.actor)
    subject.follow(session, chunk, written)
    lost = {change.row.id for change in new} - created
    for change in changes:
        if change.row.id not in lost:
            _count(chunk, change)
    return [row for row in rows if row.id in lost]


def _merged(subject: Subject, chunk: Chunk, rows: Sequence[Row], before: dict[int, Columns]) -> list[Change]:
    """Merge row by row; one that cannot stand is refused and stops no other."""
    changes = []
    for row in rows:
        try:
            change = merge(row, before.get(row.id), snapshots.columns(chunk.kind), chunk.now)
            subject.settle(change, chunk.now)
        except RowRefused as refused:
            chunk.counts.refused += 1
            chunk.refusals.append(Note(row.place, row.kind, refused.field, refused.reason))
        else:
            changes.append(change)
    return changes


def _count(chunk: Chunk, change: Change) -> None:
    chunk.warnings += change.row.warnings
    if change.before is None or change.fields or change.row.id in chunk.moved:
        chunk.changed.add(change.row.id)
    if change.before is None:
        chunk.counts.created += 1
    elif change.fields or change.row.id in chunk.moved:
        chunk.counts.updated += 1
    else:
        chunk.counts.unchanged += 1
