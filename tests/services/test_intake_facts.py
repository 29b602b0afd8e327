"""What the intake makes of insurers, phone hours and names, in the database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from comms.services.intake import Counts
from comms.store.models import Patient, StaffItem, Therapist
from comms.store.session import Sessions, reading
from tests.services.bringing import LATER, bring, one
from tests.services.hostile import KEPT, MALFORMED_HOURS, REFUSED


@pytest.mark.parametrize(
    ("insurance", "kind"),
    [
        ("AOK Bayern", "statutory"), ("Techniker Krankenkasse", "statutory"), ("Bahn-BKK", "statutory"),
        ("Privat (PKV)", "private"), ("Allianz Private Krankenversicherung", "private"), ("Selbstzahler", "self"),
        ("Debeka", None), ("BKK Privat", None),
    ],
)  # fmt: skip
def test_the_kind_of_insurance_is_told_only_where_it_is_clear(
    empty_sqlite: Any, insurance: str, kind: str | None
) -> None:
    from comms.store.session import make_sessions

    sessions = make_sessions(empty_sqlite)
    bring(sessions, patients=[{"id": 1, "krankenkasse": insurance}])

    assert one(sessions, Patient, 1).insurance_kind == kind


def test_a_kind_of_insurance_that_was_given_stays_until_the_insurer_changes(sessions: Sessions) -> None:
    bring(sessions, patients=[{"id": 1, "insurance": "Debeka", "insurance_kind": "private"}])
    bring(sessions, patients=[{"id": 1, "krankenkasse": "Debeka"}])
    assert one(sessions, Patient, 1).insurance_kind == "private"

    bring(sessions, patients=[{"id": 1, "krankenkasse": "Unbekannt"}])
    assert one(sessions, Patient, 1).insurance_kind is None


def _open_items(sessions: Sessions) -> list[tuple[int, Any]]:
    with reading(sessions) as session:
        query = select(StaffItem.subject_id, StaffItem.details).where(StaffItem.resolved_at.is_(None))
        return [(row.subject_id, row.details) for row in session.execute(query.order_by(StaffItem.subject_id))]


def test_hours_that_cannot_be_read_are_on_the_staff_list_until_they_are_given_anew(sessions: Sessions) -> None:
    bad = {"id": 1, "nachname": "A", "telefonische_erreichbarkeit": {"montag": ["12:00-09:00"]}}
    bring(sessions, [bad])
    assert _open_items(sessions) == [(1, {"faults": ["monday[0]: end_before_start"]})]

    bring(sessions, [bad | {"titel": "Dr."}])
    assert len(_open_items(sessions)) == 1

    bring(sessions, [{"id": 1, "telefonische_erreichbarkeit": {"montag": ["x"]}}], now=LATER)
    assert _open_items(sessions) == [(1, {"faults": ["monday[0]: not_a_window"]})]

    bring(sessions, [{"id": 1, "telefonische_erreichbarkeit": {"montag": ["09:00-12:00"]}}], now=LATER)
    assert _open_items(sessions) == []


def test_every_malformed_hour_goes_in_and_is_listed_for_staff(sessions: Sessions) -> None:
    rows = [{"id": n, "nachname": "A", "telefonische_erreichbarkeit": h} for n, h in enumerate(MALFORMED_HOURS, 1)]

    report = bring(sessions, rows)

    assert report.counts["therapists"] == Counts(read=len(rows), created=len(rows))
    assert [id_ for id_, _ in _open_items(sessions)] == list(range(1, len(rows) + 1))
    assert all(details["faults"] for _, details in _open_items(sessions))


def test_hostile_names_are_refused_or_stored_as_they_are(sessions: Sessions) -> None:
    names = [*REFUSED, *KEPT]

    report = bring(sessions, [{"id": n, "nachname": name} for n, name in enumerate(names, 1)])

    assert sorted(n.reason for n in report.refusals) == sorted(REFUSED.values())
    with reading(sessions) as session:
        assert set(session.scalars(select(Therapist.last_name))) == set(KEPT)


def test_a_hostile_name_beside_a_good_one_is_left_out(sessions: Sessions) -> None:
    rows = [{"id": n, "nachname": "A", "vorname": name} for n, name in enumerate(REFUSED, 1)]

    report = bring(sessions, rows)

    assert report.counts["therapists"].created == len(rows)
    with reading(sessions) as session:
        assert session.scalar(select(func.count()).where(Therapist.first_name.is_not(None))) == 0
        assert session.scalar(select(func.count()).where(Therapist.last_name == "A")) == len(rows)
