"""What an import does to the database, on both engines."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from comms.services.intake import Counts, ImportReport, Kind, Record, import_records
from comms.services.intake import importing as importing_module
from comms.store.models import AuditEntry, Patient, PlacementRequest, StaffItem, Therapist
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW
from tests.services.hostile import KEPT, MALFORMED_HOURS, REFUSED

LATER = NOW + timedelta(days=1)


def bring(
    sessions: Sessions,
    therapists: Sequence[dict[str, Any]] = (),
    patients: Sequence[dict[str, Any]] = (),
    requests: Sequence[dict[str, Any]] = (),
    now: datetime = NOW,
    **how: Any,
) -> ImportReport:
    parts = {Kind.PLACEMENT_REQUESTS: requests, Kind.PATIENTS: patients, Kind.THERAPISTS: therapists}
    records = [Record(kind, f"{kind}, row {n}", row) for kind, rows in parts.items() for n, row in enumerate(rows, 1)]
    return import_records(sessions, records, now, **how)


def one(sessions: Sessions, model: type[Any], id_: int) -> Any:
    with reading(sessions) as session:
        return session.get_one(model, id_)


def snapshot(sessions: Sessions) -> list[dict[str, Any]]:
    """Every row of the three tables."""
    with reading(sessions) as session:
        return [
            dict(row)
            for model in (Therapist, Patient, PlacementRequest)
            for row in session.execute(select(model.__table__).order_by(model.id)).mappings()
        ]


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


def test_two_imports_at_once_create_each_row_once(sessions: Sessions) -> None:
    rows = [{"id": n, "nachname": f"N{n}"} for n in range(1, 200)]
    requests = [{"id": n, "patient_id": n % 50 + 1, "therapist_id": n} for n in range(1, 200)]

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: bring(sessions, rows, (), requests), range(4)))

    for kind in ("therapists", "placement_requests"):
        assert sum(r.counts[kind].created for r in reports) == 199
        assert sum(r.counts[kind].updated for r in reports) == 0
        assert sum(r.counts[kind].unchanged for r in reports) == 3 * 199
    assert sum(r.stubs["patients"] for r in reports) == 50


def test_more_rows_than_a_chunk_holds_all_go_in(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing_module, "ROWS_IN_A_CHUNK", 7)

    report = bring(sessions, [{"id": n, "nachname": "A"} for n in range(1, 51)])

    assert report.counts["therapists"] == Counts(read=50, created=50)


_ID = st.sampled_from([1, 2, 3, "1", "2", 0, None, "x"])
_ROW = st.fixed_dictionaries(
    {},
    optional={
        "id": _ID,
        "nachname": st.sampled_from(["A", "B", None, "a\0b", 7, []]),
        "email": st.sampled_from(["a@x.example", None, "kaputt"]),
        "status": st.sampled_from(["aktiv", "gesperrt", None, "maybe", "offen", "abgelehnt", "angenommen"]),
        "patient_id": _ID,
        "therapist_id": _ID,
        "diagnose": st.sampled_from(["F32.1", "traurig", None]),
        "telefonische_erreichbarkeit": st.sampled_from([None, {"Mo": ["9-12"]}, {"x": 1}, 7]),
    },
)
_RECORDS = st.lists(
    st.builds(
        Record,
        st.sampled_from([*Kind, None]),
        st.just("here"),
        _ROW,
        st.sampled_from([None, None, None, "not_an_object"]),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RECORDS, st.booleans())
def test_the_counts_add_up_to_the_rows_read(sessions: Sessions, records: list[Record], dry_run: bool) -> None:
    report = import_records(sessions, records, NOW, dry_run=dry_run)

    assert report.rows == len(records)
    assert report.refused == len(report.refusals)
    for counts in report.counts.values():
        ended = counts.created + counts.updated + counts.unchanged + counts.merged + counts.refused
        assert counts.read == ended


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RECORDS)
def test_whatever_came_in_coming_again_changes_nothing(sessions: Sessions, records: list[Record]) -> None:
    import_records(sessions, records, NOW)
    before = snapshot(sessions)

    report = import_records(sessions, records, LATER)

    assert snapshot(sessions) == before
    assert sum(counts.created + counts.updated for counts in report.counts.values()) == 0
