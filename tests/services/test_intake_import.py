"""What an import does to the database, on both engines."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from comms.services.intake import Counts, Kind, Record, import_records
from comms.store.models import AuditEntry, Patient, PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW
from tests.services.bringing import LATER, bring, one, snapshot


def test_new_rows_are_created_with_what_they_say(sessions: Sessions) -> None:
    report = bring(
        sessions,
        [{"id": 1, "nachname": "Müller", "email": "A@x.example", "plz": "10115", "bundesland": "Berlin"}],
        [{"id": 2, "geburtsdatum": "17.04.1988", "krankenkasse": "AOK Nordost"}],
        [{"id": 3, "patient_id": 2, "therapist_id": 1, "created_at": "2026-11-01T08:00:00", "notes": "a\nb"}],
    )

    assert {name: counts.created for name, counts in report.counts.items()} == dict.fromkeys(Kind, 1)
    therapist, patient = one(sessions, Therapist, 1), one(sessions, Patient, 2)
    request = one(sessions, PlacementRequest, 3)
    assert (therapist.last_name, therapist.mailbox, therapist.land) == ("Müller", "a@x.example", "BE")
    assert (therapist.language, therapist.status, therapist.potentially_available) == ("de", "active", False)
    assert (patient.birth_date, patient.insurance_kind) == (date(1988, 4, 17), "statutory")
    assert (request.status, request.requested_at) == ("open", datetime(2026, 11, 1, 8, tzinfo=UTC))
    for row in (therapist, patient, request):
        assert (row.version, row.learned_at, row.created_at, row.updated_at) == (1, NOW, NOW, NOW)


def test_a_second_import_changes_nothing(sessions: Sessions) -> None:
    rows = (
        [{"id": 1, "nachname": "Müller", "telefonische_erreichbarkeit": {"Mo": ["09:00-12:00", "x"]}, "telefon": "?"}],
        [{"id": 2, "zeitliche_verfuegbarkeit": {"Mo": ["09:00-12:00"]}, "krankenkasse": "Debeka"}],
        [{"id": 3, "patient_id": 2, "therapist_id": 1, "status": "in_bearbeitung"}, {"id": 4, "patient_id": 9}],
    )
    first = bring(sessions, *rows)
    before = snapshot(sessions)

    second = bring(sessions, *rows, now=LATER)

    assert snapshot(sessions) == before
    assert [counts.unchanged for counts in second.counts.values()] == [1, 1, 1]
    assert [c.created for c in first.counts.values()] == [1, 1, 1]
    assert (first.refused, second.refused) == (1, 1)
    assert second.warnings == [note for note in first.warnings if note.reason != "taken_as_open"]
    with reading(sessions) as session:
        assert session.scalar(select(func.count()).select_from(AuditEntry)) == 3


def test_an_upsert_keeps_what_is_absent_and_null_clears(sessions: Sessions) -> None:
    bring(sessions, [{"id": 1, "nachname": "Müller", "email": "a@x.example", "telefon": "030 1234567", "titel": "Dr."}])

    report = bring(sessions, [{"id": 1, "telefon": None, "titel": "Prof. Dr."}], now=LATER)

    therapist = one(sessions, Therapist, 1)
    assert report.counts["therapists"].updated == 1
    assert (therapist.last_name, therapist.email, therapist.phone, therapist.title) == (
        "Müller",
        "a@x.example",
        None,
        "Prof. Dr.",
    )
    assert (therapist.version, therapist.created_at, therapist.learned_at) == (2, NOW, LATER)


def test_who_changed_which_fields_is_recorded_without_their_values(sessions: Sessions) -> None:
    bring(sessions, [{"id": 1, "nachname": "Müller"}], actor="anna")
    bring(sessions, [{"id": 1, "nachname": "Maier", "ort": "Kiel"}], actor="bernd")

    with reading(sessions) as session:
        entries = session.execute(
            select(AuditEntry.actor, AuditEntry.action, AuditEntry.details).order_by(AuditEntry.id)
        )
        assert [tuple(entry) for entry in entries] == [
            ("anna", "therapist.import", {"new": True}),
            ("bernd", "therapist.import", {"fields": ["city", "last_name"]}),
        ]


def test_one_bad_row_stops_no_other(sessions: Sessions) -> None:
    report = bring(
        sessions,
        [{"id": 1, "nachname": "A"}, {"id": "x", "nachname": "B"}, {"id": 3}, {"id": 4, "nachname": "D"}],
        requests=[
            {"id": 1, "patient_id": 1, "therapist_id": 1},
            {"id": 2, "patient_id": 1},
            {"id": 3, "therapist_id": 1, "patient_id": "one"},
            {"id": 4, "patient_id": 1, "therapist_id": 1, "status": "maybe"},
        ],
    )

    assert {(n.place, n.field, n.reason) for n in report.refusals} == {
        ("therapists, row 2", "id", "not_an_id"),
        ("therapists, row 3", "last_name", "name_missing"),
        ("placement_requests, row 2", "therapist_id", "therapist_missing"),
        ("placement_requests, row 3", "patient_id", "not_an_id"),
        ("placement_requests, row 4", "status", "unknown_status"),
    }
    assert report.counts["therapists"] == Counts(read=4, created=2, refused=2)
    assert report.counts["placement_requests"] == Counts(read=4, created=1, refused=3)


def test_requests_may_name_people_who_are_not_known_yet(sessions: Sessions) -> None:
    report = bring(sessions, requests=[{"id": 1, "patient_id": 7, "therapist_id": 8}])

    assert report.stubs == {"patients": 1, "therapists": 1}
    assert one(sessions, Therapist, 8).facts_missing
    assert one(sessions, Patient, 7).facts_missing
    assert one(sessions, Therapist, 8).learned_at is None

    again = bring(sessions, [{"id": 8, "nachname": "Müller"}], [{"id": 7}], now=LATER)

    assert (again.counts["therapists"].updated, again.counts["patients"].updated) == (1, 1)
    assert not one(sessions, Therapist, 8).facts_missing
    assert not one(sessions, Patient, 7).facts_missing
    assert again.stubs == {}


def test_a_stub_stays_one_until_it_has_a_name(sessions: Sessions) -> None:
    bring(sessions, requests=[{"id": 1, "patient_id": 7, "therapist_id": 8}])

    report = bring(sessions, [{"id": 8, "email": "a@x.example"}])

    assert [n.reason for n in report.refusals] == ["name_missing"]
    assert one(sessions, Therapist, 8).facts_missing


@pytest.mark.parametrize("name", [{"nachname": "Müller"}, {"praxisname": "Praxis am Park"}])
def test_a_person_or_a_practice_is_a_name(sessions: Sessions, name: dict[str, str]) -> None:
    assert bring(sessions, [{"id": 1} | name]).refused == 0


def test_a_name_cannot_be_taken_away(sessions: Sessions) -> None:
    bring(sessions, [{"id": 1, "nachname": "Müller"}])

    report = bring(sessions, [{"id": 1, "nachname": None}])

    assert [n.reason for n in report.refusals] == ["name_missing"]
    assert one(sessions, Therapist, 1).last_name == "Müller"


def test_the_same_id_again_counts_as_one_row_after_the_other(sessions: Sessions) -> None:
    rows = [{"id": 1, "nachname": "Alt", "ort": "Kiel"}, {"id": 2, "nachname": "B"}, {"id": "1", "nachname": "Neu"}]

    report = bring(sessions, rows)

    assert report.counts["therapists"] == Counts(read=3, created=2, merged=1)
    assert [(n.place, n.reason) for n in report.warnings] == [("therapists, row 1", "given_again")]
    therapist = one(sessions, Therapist, 1)
    assert (therapist.last_name, therapist.city, therapist.version) == ("Neu", "Kiel", 1)


def test_a_request_keeps_its_patient_and_its_therapist(sessions: Sessions) -> None:
    bring(sessions, requests=[{"id": 1, "patient_id": 7, "therapist_id": 8}])

    report = bring(sessions, requests=[{"id": 1, "patient_id": 9, "therapist_id": 8}], now=LATER)
    again = bring(sessions, requests=[{"id": 1, "patient_id": 7, "therapist_id": 9}], now=LATER)

    assert [n.reason for n in report.refusals + again.refusals] == ["patient_changed", "therapist_changed"]
    assert one(sessions, PlacementRequest, 1).patient_id == 7


def test_a_known_request_needs_no_ids_of_people(sessions: Sessions) -> None:
    bring(sessions, requests=[{"id": 1, "patient_id": 7, "therapist_id": 8}])

    report = bring(sessions, requests=[{"id": 1, "priority": 3, "patient_id": None}], now=LATER)

    assert report.counts["placement_requests"].updated == 1
    assert one(sessions, PlacementRequest, 1).priority == 3


def test_a_deleted_patient_does_not_come_back(sessions: Sessions) -> None:
    bring(sessions, patients=[{"id": 1}])
    with writing(sessions) as session:
        session.get_one(Patient, 1).deleted_at = NOW

    for dry_run in (True, False):
        report = bring(
            sessions,
            patients=[{"id": 1, "diagnose": "F32.1"}],
            requests=[{"id": 5, "patient_id": 1, "therapist_id": 2}],
            dry_run=dry_run,
        )
        assert [n.reason for n in report.refusals] == ["patient_deleted"] * 2
    assert one(sessions, Patient, 1).diagnosis is None


def test_a_new_address_ends_the_refusal_of_the_old_one(sessions: Sessions) -> None:
    bring(sessions, [{"id": 1, "nachname": "A", "email": "alt@x.example"}])
    with writing(sessions) as session:
        session.get_one(Therapist, 1).email_refused_at = NOW

    bring(sessions, [{"id": 1, "email": "Alt@x.example"}])
    assert one(sessions, Therapist, 1).email_refused_at == NOW

    bring(sessions, [{"id": 1, "email": "neu@x.example"}])
    assert one(sessions, Therapist, 1).email_refused_at is None


def test_fields_that_have_no_place_here_are_counted_and_not_kept(sessions: Sessions) -> None:
    report = bring(sessions, patients=[{"id": 1, "vorname": "Erika", "haarfarbe": "rot"}, {"id": 2, "vorname": "Max"}])

    assert report.ignored == {"patients": {"vorname": 2, "haarfarbe": 1}}
    assert "Erika" not in str(snapshot(sessions)) + str(report)


def test_a_dry_run_says_the_same_and_writes_nothing(sessions: Sessions) -> None:
    bring(sessions, [{"id": 1, "nachname": "A"}], requests=[{"id": 1, "patient_id": 1, "therapist_id": 1}])
    rows: tuple[list[dict[str, Any]], ...] = (
        [{"id": 1, "nachname": "B"}, {"id": 2, "nachname": "C"}, {"id": 3}],
        [{"id": 1}, {"id": 5}],
        [{"id": 1, "status": "abgelehnt"}, {"id": 2, "patient_id": 5, "therapist_id": 9}],
    )
    before = snapshot(sessions)

    foreseen = bring(sessions, *rows, dry_run=True)
    assert snapshot(sessions) == before
    done = bring(sessions, *rows)

    assert foreseen.counts == done.counts
    assert foreseen.refusals == done.refusals
    assert (foreseen.stubs["therapists"], done.stubs["therapists"]) == (1, 1)


def test_the_order_of_files_does_not_matter(sessions: Sessions) -> None:
    records = [
        Record(Kind.PLACEMENT_REQUESTS, "r", {"id": 1, "patient_id": 2, "therapist_id": 3}),
        Record(Kind.PATIENTS, "p", {"id": 2}),
        Record(Kind.THERAPISTS, "t", {"id": 3, "nachname": "A"}),
    ]

    report = import_records(sessions, records, NOW)

    assert report.stubs == {}
    assert not one(sessions, Therapist, 3).facts_missing
