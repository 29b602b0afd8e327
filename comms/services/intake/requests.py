"""What the platform says about placement requests, and what follows for emails and calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.causes import cause_of
from comms.rules.states import RequestStatus
from comms.services.intake import snapshots
from comms.services.intake.fields import Columns
from comms.services.intake.merging import Change, is_stub
from comms.services.intake.moves import BY_PLATFORM, may_close, plan_moves
from comms.services.intake.records import Kind, Note
from comms.services.intake.rows import Row, RowRefused
from comms.services.intake.subjects import Chunk, Subject
from comms.services.withdrawals import Withdrawal, reopen_requests, take_out, withdraw_requests, withdraw_siblings
from comms.store.models import Patient

_SIDES = {Kind.PATIENTS: "patient_id", Kind.THERAPISTS: "therapist_id"}


class Requests(Subject):
    def __init__(self) -> None:
        self.deleted: set[int] = set()

    def foresee(self, session: Session, chunk: Chunk, before: dict[int, Columns]) -> None:
        self.deleted = _deleted(session, chunk.rows, lock=False)
        chunk.moved = plan_moves(self._standing(chunk.rows, before), before).ids
        for kind, named in _named(chunk.rows, before).items():
            chunk.stubs[kind.value] += len(named - snapshots.load(session, kind, named).keys())

    def make_way(self, session: Session, chunk: Chunk, before: dict[int, Columns]) -> None:
        """Make stubs of those who are not known yet, and move the requests whose status is another now."""
        for kind, named in _named(chunk.rows, before).items():
            chunk.stubs[kind.value] += len(snapshots.create_stubs(session, kind, named, chunk.now))
        self.deleted = _deleted(session, chunk.rows, lock=True)
        rows = self._standing(chunk.rows, before)
        if misnamed := _misnamed(rows, before):
            _count(chunk.effects, take_out(session, misnamed, chunk.now, "therapist_changed"))
        moves = plan_moves(rows, snapshots.load(session, Kind.PLACEMENT_REQUESTS, chunk.ids))
        for status, ids in sorted(moves.close.items()):
            _count(chunk.effects, withdraw_requests(session, ids, chunk.now, BY_PLATFORM[status], status))
        if moves.reopen:
            chunk.effects["requests_reopened"] += len(reopen_requests(session, moves.reopen, chunk.now))
        chunk.moved = moves.ids

    def _standing(self, rows: Iterable[Row], before: dict[int, Columns]) -> list[Row]:
        """Leave out what will be refused: a stub that would get a deleted patient."""
        stubs = {id_ for id_, known in before.items() if is_stub(known)}
        return [row for row in rows if row.id not in stubs or row.given.get("patient_id") not in self.deleted]

    def settle(self, change: Change, now: datetime) -> None:
        """Settle the status of a request that is new here; one that gets a deleted patient now is refused."""
        if _gets_patient(change) and change.after["patient_id"] in self.deleted:
            raise RowRefused("patient_id", "patient_deleted")
        if _gets_patient(change):
            change.after["correlation_id"] = cause_of(f"request:{change.row.id}")
        if change.before is not None:
            return _say_what_stays(change, change.before)
        status = change.after["status"]
        if status == RequestStatus.IN_PROGRESS:
            change.after["status"] = RequestStatus.OPEN.value
            _warn(change.row, "taken_as_open")
        elif status in BY_PLATFORM:
            change.after.update(status_reason=BY_PLATFORM[RequestStatus(status)], closed_at=now)
        return None

    def follow(self, session: Session, chunk: Chunk, changes: Sequence[Change]) -> None:
        """A patient who comes in with a place needs no other one."""
        new = (change.after for change in changes if _gets_patient(change))
        placed = {facts["patient_id"] for facts in new if facts["status"] == RequestStatus.ACCEPTED}
        if placed:
            _count(chunk.effects, withdraw_siblings(session, placed, chunk.now))


def _named(rows: Iterable[Row], before: dict[int, Columns]) -> dict[Kind, set[int]]:
    """Patients and therapists of requests that are new, or of which nothing was known."""
    named: dict[Kind, set[int]] = {kind: set() for kind in _SIDES}
    for row in rows:
        known = before.get(row.id)
        if is_stub(known) if known else all(row.given.get(column) for column in _SIDES.values()):
            for kind, column in _SIDES.items():
                named[kind] |= {row.given[column]} if column in row.given else set()
    return named


def _gets_patient(change: Change) -> bool:
    return (change.before is None or is_stub(change.before)) and not is_stub(change.after)


def _misnamed(rows: Iterable[Row], before: dict[int, Columns]) -> list[int]:
    """Stubs that were named with a therapist who is not theirs: what waits for that one must not speak of them."""
    stubs = {id_: known["therapist_id"] for id_, known in before.items() if is_stub(known)}
    return [row.id for row in rows if row.id in stubs and row.given.get("therapist_id", stubs[row.id]) != stubs[row.id]]


def _deleted(session: Session, rows: Iterable[Row], *, lock: bool) -> set[int]:
    """Find the deleted among the patients of these requests; the lock lets imports and answers follow each other."""
    named = {row.given["patient_id"] for row in rows if row.given.get("patient_id")}
    query = select(Patient.id, Patient.deleted_at).where(Patient.id.in_(sorted(named))).order_by(Patient.id)
    found = session.execute(query.with_for_update(key_share=True) if lock else query).all()
    return {id_ for id_, deleted_at in found if deleted_at}


def _say_what_stays(change: Change, before: Columns) -> None:
    told = change.row.given.get("status")
    if told in BY_PLATFORM and before["status"] != told and not may_close(before, told):
        _warn(change.row, "already_closed")


def _warn(row: Row, reason: str) -> None:
    row.warnings.append(Note(row.place, row.kind, "status", reason))


def _count(effects: Counter[str], done: Withdrawal) -> None:
    for part in fields(done):
        name = "requests_closed" if part.name == "requests" else part.name
        effects[name] += len(getattr(done, part.name))
