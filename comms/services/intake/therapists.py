"""What must follow when therapists change: contacts that end, phone hours that staff must see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from comms.services.intake.fields import Columns
from comms.services.intake.merging import Change, has_name, why_not_contacted
from comms.services.intake.subjects import Chunk, Subject
from comms.services.stopping import stop_contacting
from comms.store.staff import raise_items, resolve_items

HOURS = "phone_hours_unreadable"


class Therapists(Subject):
    def foresee(self, session: Session, chunk: Chunk, before: dict[int, Columns]) -> None:
        chunk.effects["therapists_stopped"] += sum(len(ids) for ids in _ending(chunk, before).values())

    def make_way(self, session: Session, chunk: Chunk, before: dict[int, Columns]) -> None:
        """End what waits for therapists who must not be contacted from now on."""
        for reason, ids in sorted(_ending(chunk, before).items()):
            stop_contacting(session, ids, chunk.now, reason)
            chunk.effects["therapists_stopped"] += len(ids)

    def follow(self, session: Session, chunk: Chunk, changes: Sequence[Change]) -> None:
        """Put hours that could not be read on the staff list; hours given anew end what was said about the old ones."""
        anew = [change for change in changes if "phone_availability_faults" in change.fields]
        told_before = [change.row.id for change in anew if change.before]
        if told_before:
            resolve_items(session, "therapist", told_before, chunk.now, chunk.actor, [HOURS])
        unread = {change.row.id: change.after["phone_availability_faults"] for change in anew}
        details = {id_: {"faults": faults} for id_, faults in unread.items() if faults}
        raise_items(session, "therapist", {id_: id_ for id_ in details}, HOURS, chunk.now, details)


def _ending(chunk: Chunk, before: dict[int, Columns]) -> dict[str, list[int]]:
    """Sort those whom the rows take out of contact by the reason."""
    ending: dict[str, list[int]] = defaultdict(list)
    for row in chunk.rows:
        known = before.get(row.id)
        if known is None or why_not_contacted(known) or not has_name(known | row.given):
            continue
        if reason := why_not_contacted(known | row.given):
            ending[reason].append(row.id)
    return ending
