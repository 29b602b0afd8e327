"""Write the letters of a chunk before anything is claimed: facts are frozen, patients numbered, bytes built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import CommsError
from comms.rules.states import RequestStatus
from comms.services.correspondence import Correspondence
from comms.store.models import Patient, PlacementRequest, Therapist


@dataclass(frozen=True, slots=True)
class PlannedEmail:
    """One therapist and the requests of its email, in their order."""

    therapist_id: int
    request_ids: tuple[int, ...]


@dataclass(frozen=True)
class PreparedEmail:
    """An email that is written but not yet claimed: column values of `Email` and of its batches, without ids."""

    therapist_id: int
    mailbox: str
    values: dict[str, Any]
    batches: tuple[dict[str, Any], ...]

    @property
    def request_ids(self) -> tuple[int, ...]:
        return tuple(batch["placement_request_id"] for batch in self.batches)


@dataclass
class Prepared:
    """`changed`: no longer as planned. `unwritable`: the letter could not be made, {therapist: code of the error}."""

    written: list[PreparedEmail] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    unwritable: dict[int, str] = field(default_factory=dict)


def load_people(session: Session, planned: Iterable[PlannedEmail]) -> tuple[dict[int, Therapist], dict[int, Patient]]:
    """Load {therapist id: therapist} and {request id: patient}, the latter for requests that are still open."""
    emails = list(planned)
    therapists = session.scalars(select(Therapist).where(Therapist.id.in_([e.therapist_id for e in emails])))
    patients = session.execute(
        select(PlacementRequest.id, Patient)
        .join(Patient, Patient.id == PlacementRequest.patient_id)
        .where(
            PlacementRequest.id.in_([id_ for email in emails for id_ in email.request_ids]),
            PlacementRequest.status == RequestStatus.OPEN,
        )
    )
    return {therapist.id: therapist for therapist in therapists}, {row.id: row.Patient for row in patients}


def prepare_emails(
    planned: Sequence[PlannedEmail],
    therapists: Mapping[int, Therapist],
    patients: Mapping[int, Patient],
    correspondence: Correspondence,
    at: datetime,
) -> Prepared:
    """Render every email of the chunk. One that cannot be rendered stops no other."""
    prepared = Prepared()
    for email in planned:
        therapist = therapists.get(email.therapist_id)
        if therapist is None or not therapist.email or not patients.keys() >= set(email.request_ids):
            prepared.changed.append(email.therapist_id)
            continue
        try:
            prepared.written.append(_prepare(email, therapist, patients, correspondence, at))
        except CommsError as error:
            prepared.unwritable[email.therapist_id] = error.code
    return prepared


def _prepare(
    email: PlannedEmail,
    therapist: Therapist,
    patients: Mapping[int, Patient],
    correspondence: Correspondence,
    at: datetime,
) -> PreparedEmail:
    lines = correspondence.number_patients([patients[id_] for id_ in email.request_ids], at)
    batches = tuple(
        {"placement_request_id": id_, "priority": line.number, "number": line.number, "facts": line.facts}
        for id_, line in zip(email.request_ids, lines, strict=True)
    )
    values = correspondence.write_inquiry(therapist, lines, at)
    return PreparedEmail(therapist.id, values["mailbox"], values, batches)
