"""Patients: what letters may say is made of these facts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from api.asking import Changes, Reads, Resource
from api.paging import AskedPage
from api.routing import Subject, declare
from api.schemas.fields import Id
from api.schemas.patients import PatientFilters, PatientView, PutPatient
from comms.rules.scopes import Scope
from comms.services import facts_reading
from comms.services.intake import Kind, put_facts
from comms.store.models import Patient

routes = Subject("patients")
PATIENT = Resource(Patient, PatientView, facts_reading.show_patient, "/api/patients/{id}")
NEW = {201: {"description": "It was not known here before.", "model": PatientView}}


@routes.get("/patients", **declare(Scope.READ, list[PatientView]))
def list_patients(filters: Annotated[PatientFilters, Depends()], page: AskedPage, asked: Reads) -> Response:
    """List patients, the highest id first."""
    return asked.list(PatientView, lambda s: facts_reading.page_of_patients(s, page, **vars(filters)), page)


@routes.get("/patients/{patient_id}", **declare(Scope.READ, PatientView, 404))
def get_patient(patient_id: Id, asked: Reads) -> Response:
    """Read what is known about one patient."""
    return asked.show(PATIENT, patient_id)


@routes.put("/patients/{patient_id}", **declare(Scope.WRITE, PatientView, 409, 412, body=True, more=NEW))
def put_patient(patient_id: Id, body: PutPatient, asked: Changes) -> Response:
    """Create a patient, or change what is known: a field that is not sent stays, null clears it.

    A patient who was deleted stays deleted (409). Sending the same again changes nothing.
    """
    with asked.putting(PATIENT, patient_id) as unit:
        put = put_facts(unit.session, Kind.PATIENTS, patient_id, body.given(), unit.now, unit.actor)
        return unit.created(patient_id) if put.created else unit.show(patient_id)
