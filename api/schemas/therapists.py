"""Therapists over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from api.schemas.facts import (
    AskedHours,
    Facts,
    Hours,
    Land,
    Language,
    Line50,
    Line100,
    Line200,
    Salutation,
    need_not_be_sent,
    says_something,
)
from api.schemas.fields import Day, Flag, FlagFilter, Line, Text, View, WordFilter
from comms.rules.states import TherapistStatus


@dataclass(frozen=True)
class TherapistFilters:
    """The query of the list; all that is given must hold."""

    status: Annotated[TherapistStatus | None, Query()] = None
    land: Annotated[Land | None, Query()] = None
    language: Annotated[Language | None, Query()] = None
    facts_missing: FlagFilter = None
    potentially_available: FlagFilter = None
    do_not_contact: Annotated[FlagFilter, Query(description="Whether there is a reason not to contact.")] = None
    last_name: WordFilter = None
    practice_name: WordFilter = None
    city: WordFilter = None
    email: Annotated[WordFilter, Query(description="Finds everybody with this mailbox, however it is spelled.")] = None


class TherapistView(View):
    """What is known about a therapist."""

    id: int
    salutation: Salutation | None
    title: str | None
    first_name: str | None
    last_name: str | None
    practice_name: str | None
    email: str | None
    email_refused_at: Annotated[datetime | None, Field(description="Since when the address is known not to work.")]
    phone: Annotated[str | None, Field(description="E.164, the extension after a hyphen.")]
    street: str | None
    postal_code: str | None
    city: str | None
    land: Land | None
    language: Language
    status: TherapistStatus
    phone_availability: Hours | None
    phone_availability_faults: Annotated[
        list[str] | None, Field(description="What of imported hours could not be read: places and codes.")
    ]
    potentially_available: bool
    next_contact_possible: date | None
    do_not_contact: str | None
    facts_missing: Annotated[bool, Field(description="Known by name only: nobody writes or calls yet.")]
    learned_at: datetime | None
    created_at: datetime
    updated_at: datetime


class PutTherapist(Facts):
    """Facts about a therapist; what is not sent stays, null clears. A new one needs last_name or practice_name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "salutation": "frau",
                    "title": "Dr.",
                    "first_name": "Andrea",
                    "last_name": "Müller",
                    "email": "praxis.mueller@therapie.example",
                    "phone": "030 1234567-89",
                    "postal_code": "10115",
                    "city": "Berlin",
                    "land": "BE",
                    "phone_availability": {
                        "monday": [{"start": "09:00", "end": "12:00"}],
                        "wednesday": [{"start": "14:00", "end": "16:30"}],
                    },
                    "potentially_available": True,
                }
            ]
        }
    )

    salutation: Salutation | None = None
    title: Line100 | None = None
    first_name: Line100 | None = None
    last_name: Line100 | None = None
    practice_name: Line200 | None = None
    email: Annotated[
        Annotated[Line, AfterValidator(says_something)] | None,
        Field(description="Exactly one address; a new one ends what was known of the old one."),
    ] = None
    phone: Annotated[Line50 | None, Field(description="With its extension: `030 1234567-89`, `+49 30 1234567`.")] = None
    street: Line200 | None = None
    postal_code: Annotated[
        Annotated[str, StringConstraints(strict=True, pattern="^[0-9]{5}$")] | None, Field(examples=["10115"])
    ] = None
    city: Line100 | None = None
    land: Land | None = None
    language: Annotated[Language | None, Field(description="null is `de`.")] = None
    status: TherapistStatus = need_not_be_sent("`blocked` and `inactive` cancel what waits for this therapist.")
    phone_availability: AskedHours = None
    potentially_available: Annotated[Flag | None, Field(description="null is `false`.")] = None
    next_contact_possible: Day | None = None
    do_not_contact: Annotated[
        Annotated[Text, StringConstraints(max_length=2000), AfterValidator(says_something)] | None,
        Field(description="The reason; cancels what waits for this therapist."),
    ] = None
