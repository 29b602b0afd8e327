"""The world in which every printed example works, and for every operation the thing that it is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select

from comms.store.engines import clock
from comms.store.models import EmailBatch, PhoneCallBatch, PlacementRequest, StaffItem, Suppression, Therapist
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item
from tests.api.operations import OPERATIONS, Operation
from tests.services.email_rows import email_about

THERAPIST, PATIENTS, REQUESTS = 101, (201, 202), (301, 302)
BY_ID = {operation.id: operation for operation in OPERATIONS}


class World:
    """Therapist 101, patients 201 and 202, placement requests 301 and 302; put there by the printed examples."""

    def __init__(self, client: TestClient, sessions: Sessions) -> None:
        self.client, self.sessions = client, sessions
        self.put("putTherapist", THERAPIST)
        for patient, request in zip(PATIENTS, REQUESTS, strict=True):
            self.put("putPatient", patient)
            self.put("putPlacementRequest", request, patient_id=patient)

    def put(self, name: str, id_: int, **other: Any) -> None:
        answer = self.ask(BY_ID[name], id_, body=BY_ID[name].example | other)
        assert answer.status_code in (200, 201), answer.text

    def ask(self, operation: Operation, id_: object = None, body: object = None, **headers: str) -> Response:
        """Ask it with its printed example, or with `body`, about its own thing or about `id_`."""
        if body is None and operation.reads_body:
            body = operation.example
        url = operation.url(self.thing(operation) if id_ is None else id_).replace("nothing", "batch_request")
        url += QUERIES.get(operation.id, "")
        return self.client.request(operation.method, url, json=body, headers=headers)

    def thing(self, operation: Operation) -> int:
        """What it is about, in a state in which it may happen; a new operation needs an entry in THINGS."""
        return THINGS[operation.id](self) if operation.ids else 0

    def email(self, status: str, requests: tuple[int, ...] = REQUESTS) -> int:
        with writing(self.sessions) as session:
            at = clock(session) - timedelta(days=1)
            times = {"created_at": at, "queued_at": at}
            handed = {"handed_over_at": at, "sent_at": at} if status in ("sent", "in_doubt", "bounced") else {}
            therapist = session.get_one(Therapist, THERAPIST)
            rows = session.scalars(select(PlacementRequest).where(PlacementRequest.id.in_(requests)))
            return int(email_about(session, status, therapist, list(rows), template=None, **times | handed).id)

    def answered(self) -> int:
        """A sent email of whose patients one is accepted."""
        id_ = self.email("sent")
        answer = self.ask(BY_ID["recordResponse"], id_)
        assert answer.status_code == 200, answer.text
        return id_

    def batch(self, status: str) -> int:
        email = self.email(status)
        with reading(self.sessions) as session:
            return session.scalars(select(EmailBatch.id).where(EmailBatch.email_id == email)).first() or 0

    def call(self) -> int:
        answer = self.ask(BY_ID["createPhoneCall"], body=BY_ID["createPhoneCall"].example | CALL)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def call_batch(self) -> int:
        call = self.call()
        with reading(self.sessions) as session:
            return session.scalars(select(PhoneCallBatch.id).where(PhoneCallBatch.phone_call_id == call)).first() or 0

    def suppression(self) -> int:
        assert self.ask(BY_ID["addSuppression"]).status_code in (200, 201)
        with reading(self.sessions) as session:
            return session.scalars(select(Suppression.id)).first() or 0

    def staff_item(self) -> int:
        with writing(self.sessions) as session:
            raise_item(session, "email", self_email := 1, "email_failed", clock(session) - timedelta(days=1))
            return session.scalars(select(StaffItem.id).where(StaffItem.subject_id == self_email)).first() or 0


CALL = {"placement_request_ids": list(REQUESTS)}
QUERIES = {"removeSuppressionOfAddress": "?address=praxis@therapie.example"}

THINGS: dict[str, Callable[[World], int]] = {
    "getTherapist": lambda _: THERAPIST,
    "putTherapist": lambda _: THERAPIST,
    "getTherapistTimeline": lambda world: world.email("sent") and THERAPIST,
    "getPatient": lambda _: PATIENTS[0],
    "putPatient": lambda _: PATIENTS[0],
    "getPlacementRequest": lambda _: REQUESTS[0],
    "putPlacementRequest": lambda _: REQUESTS[0],
    "getEmail": lambda world: world.email("sent"),
    "changeEmail": lambda world: world.email("sent"),
    "recordResponse": lambda world: world.email("sent"),
    "remindTherapist": lambda world: world.email("sent"),
    "bounceEmail": lambda world: world.email("sent"),
    "confirmAcceptance": World.answered,
    "queueEmail": lambda world: world.email("draft"),
    "cancelEmail": lambda world: world.email("queued"),
    "requeueEmail": lambda world: world.email("failed"),
    "resolveEmail": lambda world: world.email("in_doubt"),
    "listEmailBatches": lambda world: world.email("sent"),
    "addEmailBatch": lambda world: world.email("draft", REQUESTS[:1]),
    "getEmailBatch": lambda world: world.batch("sent"),
    "changeEmailBatch": lambda world: world.batch("sent"),
    "dropEmailBatch": lambda world: world.batch("draft"),
    "getPhoneCall": World.call,
    "updatePhoneCall": World.call,
    "deletePhoneCall": World.call,
    "completePhoneCall": World.call,
    "missPhoneCall": World.call,
    "cancelPhoneCall": World.call,
    "reschedulePhoneCall": World.call,
    "listPhoneCallBatches": World.call,
    "getPhoneCallBatch": World.call_batch,
    "updatePhoneCallBatch": World.call_batch,
    "getSuppression": World.suppression,
    "removeSuppression": World.suppression,
    "getStaffItem": World.staff_item,
    "closeStaffItem": World.staff_item,
}
"""By operation: makes what it is about, and returns its id."""
