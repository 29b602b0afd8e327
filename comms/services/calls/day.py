"""The call list of one day: whom to call when, about whom, and what happened before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from comms.rules.availability import read_availability
from comms.rules.hours import WEEKDAYS
from comms.rules.local_time import clock_of
from comms.rules.states import PhoneCallStatus
from comms.services.calls.history import SHOWN, EarlierCall, EarlierEmail, History, histories
from comms.services.calls.reading import full_name
from comms.services.calls.showing import on_day
from comms.services.letters.facts import patient_facts
from comms.services.phone_numbers import din_5008
from comms.store.models import EmailBatch, Patient, PhoneCall, PhoneCallBatch, PlacementRequest, Therapist


@dataclass(frozen=True)
class TherapistToCall:
    """`phone` as it is dialled at home (DIN 5008), `phone_e164` for machines; hours are of the day of the call."""

    id: int
    name: str
    phone: str | None
    phone_e164: str | None
    phone_extension: str | None
    phone_hours: list[list[str]]
    potentially_available: bool


@dataclass(frozen=True)
class RequestToSpeakOf:
    """`number` is the patient's in the email through which it came; `facts` are what letters may say, no more."""

    id: int
    phone_call_batch_id: int
    patient_id: int | None
    email_id: int | None
    number: int | None
    facts: dict[str, Any]
    discussed: bool
    outcome: str | None


@dataclass(frozen=True)
class CallToMake:
    id: int
    starts_at: datetime
    scheduled_date: date
    scheduled_time: time
    duration_minutes: int
    caller: int
    kind: str
    status: str
    status_reason: str | None
    try_number: int
    outcome: str | None
    notes: str | None
    therapist: TherapistToCall
    placement_requests: list[RequestToSpeakOf] = field(default_factory=list)
    emails: list[EarlierEmail] = field(default_factory=list)
    calls: list[EarlierCall] = field(default_factory=list)


def calls_of_day(
    session: Session,
    day: date,
    zone: ZoneInfo,
    diagnosis_detail: str,
    *,
    caller: int | None = None,
    status: PhoneCallStatus | None = None,
) -> list[CallToMake]:
    """List the calls of a local day in the order of their time; four queries."""
    query = select(PhoneCall, Therapist).join(Therapist, Therapist.id == PhoneCall.therapist_id)
    query = query.where(on_day(day, zone)).order_by(PhoneCall.starts_at, PhoneCall.caller, PhoneCall.id)
    if caller is not None:
        query = query.where(PhoneCall.caller == caller)
    if status is not None:
        query = query.where(PhoneCall.status == status)
    rows = session.execute(query).all()
    requests = _requests(session, [call.id for call, _ in rows], day, diagnosis_detail)
    earlier = histories(session, {therapist.id for _, therapist in rows})
    return [_entry(call, therapist, requests[call.id], earlier[therapist.id], day, zone) for call, therapist in rows]


def _entry(
    call: PhoneCall,
    therapist: Therapist,
    requests: list[RequestToSpeakOf],
    earlier: History,
    day: date,
    zone: ZoneInfo,
) -> CallToMake:
    scheduled = clock_of(call.starts_at, zone)
    return CallToMake(
        id=call.id,
        starts_at=call.starts_at,
        scheduled_date=scheduled[0],
        scheduled_time=scheduled[1],
        duration_minutes=call.duration_minutes,
        caller=call.caller,
        kind=call.kind,
        status=call.status,
        status_reason=call.status_reason,
        try_number=call.try_number,
        outcome=call.outcome,
        notes=call.notes,
        therapist=_therapist(therapist, day),
        placement_requests=requests,
        emails=earlier.emails[:SHOWN],
        calls=[other for other in earlier.calls if other.id != call.id][:SHOWN],
    )


def _therapist(therapist: Therapist, day: date) -> TherapistToCall:
    windows = read_availability(therapist.phone_availability).windows
    return TherapistToCall(
        id=therapist.id,
        name=full_name(therapist),
        phone=din_5008(therapist.phone, therapist.phone_extension),
        phone_e164=therapist.phone,
        phone_extension=therapist.phone_extension,
        phone_hours=[list(window) for window in windows.get(WEEKDAYS[day.weekday()], ())],
        potentially_available=therapist.potentially_available,
    )


def _requests(
    session: Session, call_ids: Collection[int], day: date, diagnosis_detail: str
) -> dict[int, list[RequestToSpeakOf]]:
    """By call, in its order. What the letter said is said again; without a letter, what one would say."""
    in_email = and_(
        EmailBatch.email_id == PhoneCallBatch.email_id,
        EmailBatch.placement_request_id == PhoneCallBatch.placement_request_id,
    )
    query = (
        select(PhoneCallBatch, Patient, EmailBatch.number, EmailBatch.facts)
        .join(PlacementRequest, PlacementRequest.id == PhoneCallBatch.placement_request_id)
        .outerjoin(Patient, Patient.id == PlacementRequest.patient_id)
        .outerjoin(EmailBatch, in_email)
        .where(PhoneCallBatch.phone_call_id.in_(call_ids), PhoneCallBatch.included)
        .order_by(PhoneCallBatch.priority, PhoneCallBatch.id)
    )
    found: dict[int, list[RequestToSpeakOf]] = defaultdict(list)
    for batch, patient, number, said in session.execute(query):
        facts = said or (patient_facts(patient, day, diagnosis_detail) if patient else {})
        found[batch.phone_call_id].append(_request(batch, patient, number, facts))
    return found


def _request(
    batch: PhoneCallBatch, patient: Patient | None, number: int | None, facts: dict[str, Any]
) -> RequestToSpeakOf:
    return RequestToSpeakOf(
        id=batch.placement_request_id,
        phone_call_batch_id=batch.id,
        patient_id=patient.id if patient else None,
        email_id=batch.email_id,
        number=number,
        facts=facts,
        discussed=batch.discussed,
        outcome=batch.outcome,
    )
