"""Therapists, patients and placement requests as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.orm import Session

from comms.errors import NotFound
from comms.rules.addresses import mailbox
from comms.rules.hours import WEEKDAYS
from comms.services.intake.reachability import written_number
from comms.store.models import Base, Patient, PlacementRequest, Therapist
from comms.store.paging import Page, Slice, newest_first

Hours = dict[str, list[dict[str, str]]]
"""{"monday": [{"start": "09:00", "end": "12:00"}]}; None where no hours are known."""


@dataclass(frozen=True)
class TherapistDetails:
    id: int
    salutation: str | None
    title: str | None
    first_name: str | None
    last_name: str | None
    practice_name: str | None
    email: str | None
    email_refused_at: datetime | None
    phone: str | None
    """E.164, with the extension after a hyphen."""
    street: str | None
    postal_code: str | None
    city: str | None
    land: str | None
    language: str
    status: str
    phone_availability: Hours | None
    phone_availability_faults: list[str] | None
    potentially_available: bool
    next_contact_possible: date | None
    do_not_contact: str | None
    facts_missing: bool
    learned_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class PatientDetails:
    id: int
    birth_date: date | None
    gender: str | None
    diagnosis: str | None
    insurance: str | None
    insurance_kind: str | None
    registered_on: date | None
    availability: Hours | None
    availability_faults: list[str] | None
    open_to_group_therapy: bool | None
    earlier_therapy: bool | None
    last_session_on: date | None
    facts_missing: bool
    deleted_at: datetime | None
    learned_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class RequestDetails:
    id: int
    patient_id: int | None
    therapist_id: int
    status: str
    status_reason: str | None
    priority: int | None
    notes: str | None
    requested_at: datetime | None
    closed_at: datetime | None
    facts_missing: bool
    """Named by an email or a call, and nothing else is known of it."""
    learned_at: datetime | None
    created_at: datetime
    updated_at: datetime


def _columns(model: type[Base], view: type[Any], *also: str) -> Select[Any]:
    """Select what a view shows under the same name, and `also`."""
    names = [*view.__dataclass_fields__, *also]
    return select(*(getattr(model, name) for name in names if hasattr(model, name)))


_THERAPISTS = _columns(Therapist, TherapistDetails, "phone_extension")
_PATIENTS = _columns(Patient, PatientDetails)
_REQUESTS = _columns(PlacementRequest, RequestDetails)


def page_of_therapists(
    session: Session, page: Page, *, email: str | None = None, do_not_contact: bool | None = None, **wanted: Any
) -> Slice[TherapistDetails]:
    """List a page of those for whom all that is given holds; `email` finds whoever has this mailbox."""
    conditions = _equal(Therapist, wanted)
    if email is not None:
        conditions.append(Therapist.mailbox == mailbox(email))
    if do_not_contact is not None:
        conditions.append(Therapist.do_not_contact.is_not(None) == do_not_contact)
    found = newest_first(session, _THERAPISTS.where(*conditions), Therapist.id, page)
    return found.of([_therapist(row) for row in found.rows])


def page_of_patients(
    session: Session, page: Page, *, deleted: bool | None = None, **wanted: Any
) -> Slice[PatientDetails]:
    """List a page of those for whom all that is given holds."""
    conditions = _equal(Patient, wanted)
    if deleted is not None:
        conditions.append(Patient.deleted_at.is_not(None) == deleted)
    found = newest_first(session, _PATIENTS.where(*conditions), Patient.id, page)
    return found.of([_patient(row) for row in found.rows])


def page_of_requests(
    session: Session, page: Page, *, facts_missing: bool | None = None, **wanted: Any
) -> Slice[RequestDetails]:
    """List a page of those for which all that is given holds."""
    conditions = _equal(PlacementRequest, wanted)
    if facts_missing is not None:
        conditions.append(PlacementRequest.patient_id.is_(None) == facts_missing)
    found = newest_first(session, _REQUESTS.where(*conditions), PlacementRequest.id, page)
    return found.of([_request(row) for row in found.rows])


def show_therapist(session: Session, id_: int) -> TherapistDetails:
    """Everything known about one therapist; NotFound."""
    return _therapist(_one(session, _THERAPISTS.where(Therapist.id == id_), "therapist", id_))


def show_patient(session: Session, id_: int) -> PatientDetails:
    """Everything known about one patient; NotFound."""
    return _patient(_one(session, _PATIENTS.where(Patient.id == id_), "patient", id_))


def show_request(session: Session, id_: int) -> RequestDetails:
    """One placement request; NotFound."""
    return _request(_one(session, _REQUESTS.where(PlacementRequest.id == id_), "placement request", id_))


def _one(session: Session, query: Select[Any], what: str, id_: int) -> Row[Any]:
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound(what, id_)
    return row


def _equal(model: type[Base], wanted: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [getattr(model, name) == value for name, value in wanted.items() if value is not None]


def _therapist(row: Row[Any]) -> TherapistDetails:
    facts = dict(row._mapping)
    facts["phone"] = written_number(facts["phone"], facts.pop("phone_extension"))
    facts["phone_availability"] = _hours(facts["phone_availability"])
    return TherapistDetails(**facts)


def _patient(row: Row[Any]) -> PatientDetails:
    return PatientDetails(**{**row._mapping, "availability": _hours(row.availability)})


def _request(row: Row[Any]) -> RequestDetails:
    return RequestDetails(**row._mapping, facts_missing=row.patient_id is None)


def _hours(windows: Mapping[str, Sequence[tuple[str, str]]] | None) -> Hours | None:
    """Name the ends of every window, which the stored form leaves to their order; days in the order of the week."""
    if windows is None:
        return None
    return {day: [{"start": start, "end": end} for start, end in windows[day]] for day in WEEKDAYS if day in windows}
