"""What a therapist said on the phone for each placement request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Row, and_, or_, select, tuple_, update
from sqlalchemy.orm import Session

from comms.errors import BadInput
from comms.rules.states import OPEN_REQUEST, Outcome
from comms.services.calls.facts import Call
from comms.services.events import announce_responses
from comms.services.outcomes import settle_requests
from comms.services.resting import rests_after
from comms.store.models import Email, EmailBatch, PhoneCallBatch, PlacementRequest
from comms.store.staff import raise_items, resolve_items


@dataclass(frozen=True)
class NoteOfAnswers:
    """What is known after noting: `changed` was not noted so before, `missing` waits for an outcome."""

    outcomes: dict[int, Outcome]
    changed: dict[int, Outcome]
    missing: tuple[int, ...]

    @property
    def codes(self) -> dict[str, str]:
        return {str(id_): outcome.value for id_, outcome in self.changed.items()}


def note_answers(
    session: Session,
    call: Call,
    answers: Mapping[int, Outcome],
    now: datetime,
    source: str,
    zone: ZoneInfo,
) -> NoteOfAnswers:
    """Write outcomes, settle the requests, announce them; what is left without one goes on the staff list."""
    _check(call, answers)
    changed = _write(session, call.id, answers)
    _end_places_in_emails(session, call.id, changed)
    start_cooling(session, call, now, zone)
    settle_requests(session, changed, now)
    announce_responses(session, f"call:{call.id}", call.therapist_id, changed, source, now)
    return _list_unfinished(session, call, changed, now)


def _check(call: Call, answers: Collection[int]) -> None:
    strangers = sorted(set(answers) - set(call.request_ids))
    if strangers:
        named = ", ".join(map(str, strangers))
        raise BadInput(f"call {call.id} does not speak of placement request {named}", where="answer")


def _write(session: Session, call_id: int, answers: Mapping[int, Outcome]) -> dict[int, Outcome]:
    """Write them by kind, at most three statements; return those that were not noted so before."""
    changed: set[int] = set()
    for outcome in Outcome:
        ids = sorted(id_ for id_, given in answers.items() if given == outcome)
        new = or_(PhoneCallBatch.outcome.is_(None), PhoneCallBatch.outcome != outcome)
        written = session.scalars(
            update(PhoneCallBatch)
            .where(PhoneCallBatch.phone_call_id == call_id, PhoneCallBatch.placement_request_id.in_(ids), new)
            .values(
                outcome=outcome,
                discussed=True,
                follow_up_required=outcome is Outcome.NEEDS_FOLLOW_UP,
                live=False,
                version=PhoneCallBatch.version + 1,
            )
            .returning(PhoneCallBatch.placement_request_id)
            .execution_options(synchronize_session=False)
        )
        changed.update(written)
    return {id_: answers[id_] for id_ in sorted(changed)}


def _end_places_in_emails(session: Session, call_id: int, request_ids: Collection[int]) -> None:
    """The emails through which these requests came hold them no longer."""
    through = select(PhoneCallBatch.email_id, PhoneCallBatch.placement_request_id).where(
        PhoneCallBatch.phone_call_id == call_id,
        PhoneCallBatch.placement_request_id.in_(sorted(request_ids)),
        PhoneCallBatch.email_id.is_not(None),
    )
    place = tuple_(EmailBatch.email_id, EmailBatch.placement_request_id)
    ended = update(EmailBatch).where(EmailBatch.live, place.in_(through))
    session.execute(
        ended.values(live=False, version=EmailBatch.version + 1).execution_options(synchronize_session=False)
    )


def start_cooling(session: Session, call: Call, now: datetime, zone: ZoneInfo) -> None:
    """Bring the rests after the emails behind this call to what is known by now, as if it had been written."""
    through = select(PhoneCallBatch.email_id).where(
        PhoneCallBatch.phone_call_id == call.id,
        PhoneCallBatch.outcome.is_not(None),
        PhoneCallBatch.email_id.is_not(None),
    )
    rests = rests_after(session, set(session.scalars(through)), zone)
    for email_id, day in sorted(rests.items()):  # rarely more than one
        change = update(Email).where(Email.id == email_id, Email.rejected_on.is_distinct_from(day))
        session.execute(change.values(rejected_on=day, updated_at=now).execution_options(synchronize_session=False))


def _list_unfinished(session: Session, call: Call, changed: Mapping[int, Outcome], now: datetime) -> NoteOfAnswers:
    rows = _spoken_of(session, call)
    waiting = {row.id for row in rows if row.status in OPEN_REQUEST}
    missing = sorted(row.id for row in rows if row.id in waiting and row.outcome is None)
    follow_up = sorted(row.id for row in rows if row.id in waiting and row.outcome == Outcome.NEEDS_FOLLOW_UP)
    for reason, ids in (("outcome_missing", missing), ("needs_follow_up", follow_up)):
        resolve_items(session, "placement_request", {row.id for row in rows} - set(ids), now, "service", [reason])
        subjects = dict.fromkeys(ids, call.therapist_id)
        raise_items(session, "placement_request", subjects, reason, now, {id_: {"call_id": call.id} for id_ in ids})
    outcomes = {row.id: Outcome(row.outcome) for row in rows if row.outcome}
    return NoteOfAnswers(outcomes, dict(changed), tuple(missing))


def _spoken_of(session: Session, call: Call) -> Sequence[Row[int, str, str | None]]:
    query = (
        select(PlacementRequest.id, PlacementRequest.status, PhoneCallBatch.outcome)
        .join(PhoneCallBatch, PhoneCallBatch.placement_request_id == PlacementRequest.id)
        .where(and_(PhoneCallBatch.phone_call_id == call.id, PhoneCallBatch.included))
        .order_by(PhoneCallBatch.priority, PhoneCallBatch.id)
    )
    return session.execute(query).all()
