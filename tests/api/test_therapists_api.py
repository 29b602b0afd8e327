"""Therapists over HTTP: put, read, listed."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from comms.store.session import Sessions, writing
from tests.factories import make_therapist

FACTS: dict[str, Any] = {
    "salutation": "frau",
    "title": "Dr.",
    "first_name": "Andrea",
    "last_name": "Müller",
    "practice_name": None,
    "email": "praxis@therapie.example",
    "street": "Torstraße 1",
    "postal_code": "10119",
    "city": "Berlin",
    "land": "BE",
    "language": "de",
    "status": "active",
    "potentially_available": True,
    "next_contact_possible": "2026-12-24",
    "do_not_contact": None,
}


def test_a_put_creates_with_201_and_changes_with_200(client: TestClient) -> None:
    first = client.put("/api/therapists/101", json=FACTS)
    assert (first.status_code, first.headers["location"]) == (201, "/api/therapists/101")
    second = client.put("/api/therapists/101", json={"city": "Potsdam"})
    assert (second.status_code, second.json()["city"], second.json()["last_name"]) == (200, "Potsdam", "Müller")


def test_what_was_put_is_what_is_read(client: TestClient) -> None:
    client.put("/api/therapists/101", json=FACTS)
    found = client.get("/api/therapists/101").json()
    assert {name: found[name] for name in FACTS} == FACTS


@pytest.mark.parametrize(
    "hours",
    [
        {"monday": [{"start": "09:00", "end": "12:00"}], "wednesday": [{"start": "14:00", "end": "16:30"}]},
        {"Mi": ["14:00-16:30"], "montag": ["09:00-12:00"]},
        "Mo 9-12, Mi 14-16:30",
    ],
)
def test_hours_in_every_notation_come_back_in_one(client: TestClient, hours: object) -> None:
    client.put("/api/therapists/101", json={"last_name": "Müller", "phone_availability": hours})
    assert client.get("/api/therapists/101").json()["phone_availability"] == {
        "monday": [{"start": "09:00", "end": "12:00"}],
        "wednesday": [{"start": "14:00", "end": "16:30"}],
    }
