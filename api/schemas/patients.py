"""Patients over HTTP: facts that letters are made of, never a name or an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import ConfigDict, Field

from api.schemas.facts import AskedHours, Facts, Hours, InsuranceKind, Line20, Line50, Line100
from api.schemas.fields import Day, Flag, FlagFilter, View


@dataclass(frozen=True)
class PatientFilters:
    """The query of the list; all that is given must hold."""

    insurance_kind: Annotated[InsuranceKind | None, Query()] = None
    open_to_group_therapy: FlagFilter = None
    earlier_therapy: FlagFilter = None
    facts_missing: FlagFilter = None
    deleted: FlagFilter = None


class PatientView(View):
    """What is known about a patient."""

    id: int
    birth_date: date | None
    gender: str | None
    diagnosis: str | None
    insurance: str | None
    insurance_kind: InsuranceKind | None
    registered_on: date | None
    availability: Hours | None
    availability_faults: Annotated[
        list[str] | None, Field(description="What of imported hours could not be read: places and codes.")
    ]
    open_to_group_therapy: bool | None
    earlier_therapy: bool | None
    last_session_on: date | None
    facts_missing: Annotated[bool, Field(description="Known by name only: in no letter yet.")]
    deleted_at: datetime | None
    learned_at: datetime | None
    created_at: datetime
    updated_at: datetime


class PutPatient(Facts):
    """Facts about a patient; what is not sent stays, null clears."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "birth_date": "1988-04-17",
                    "gender": "weiblich",
                    "diagnosis": "F32.1 G",
                    "insurance": "AOK Nordost",
                    "insurance_kind": "statutory",
                    "registered_on": "2026-03-02",
                    "availability": {"montag": ["08:00-12:00"], "Do": ["14:00-18:00"]},
                    "open_to_group_therapy": False,
                    "earlier_therapy": True,
                }
            ]
        }
    )

    birth_date: Day | None = None
    gender: Line20 | None = None
    diagnosis: Annotated[Line50 | None, Field(description="ICD-10-GM: one code or several.")] = None
    insurance: Line100 | None = None
    insurance_kind: Annotated[
        InsuranceKind | None, Field(description="Told by the name of the insurance where it is not sent with it.")
    ] = None
    registered_on: Annotated[Day | None, Field(description="The oldest registration is asked for first.")] = None
    availability: AskedHours = None
    open_to_group_therapy: Flag | None = None
    earlier_therapy: Flag | None = None
    last_session_on: Day | None = None
