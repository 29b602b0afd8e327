"""From a record to a row: what each field accepts, and what becomes of the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.services.intake import REASONS, Kind
from comms.services.intake.json_rows import NotAValue
from comms.services.intake.names import column_of
from comms.services.intake.rows import RowRefused
from tests.services.reading import reasons, row, therapist

GERMAN = {
    "anrede": "Frau", "titel": "Dr.", "vorname": "Andrea", "nachname": "Müller", "strasse": "Weg 1", "plz": "01067",
    "ort": "Dresden", "telefon": "030 1234567-89", "email": "A.Mueller@MÜLLER.example", "geschlecht": "weiblich",
    "status": "gesperrt", "telefonische_erreichbarkeit": {"montag": ["09:00-12:00"]},
    "potenziell_verfuegbar": True, "naechster_kontakt_moeglich": "24.12.2026",
}  # fmt: skip
ENGLISH = {
    "salutation": "frau", "title": "Dr.", "first_name": "Andrea", "last_name": "Müller", "street": "Weg 1",
    "postal_code": "01067", "city": "Dresden", "phone": "+49 30 1234567 ext. 89", "email": "A.Mueller@müller.example",
    "status": "blocked", "phone_availability": {"monday": [{"start": "09:00", "end": "12:00"}]},
    "potentially_available": "yes", "next_contact_possible": "2026-12-24",
}  # fmt: skip


def test_a_therapist_is_the_same_in_german_and_in_english() -> None:
    assert therapist(**GERMAN) == therapist(**ENGLISH)
    assert therapist(**GERMAN) == {
        "salutation": "frau",
        "title": "Dr.",
        "first_name": "Andrea",
        "last_name": "Müller",
        "street": "Weg 1",
        "postal_code": "01067",
        "city": "Dresden",
        "phone": "+49301234567",
        "phone_extension": "89",
        "email": "A.Mueller@müller.example",
        "mailbox": "a.mueller@müller.example",
        "status": "blocked",
        "phone_availability": {"monday": [["09:00", "12:00"]]},
        "phone_availability_faults": None,
        "potentially_available": True,
        "next_contact_possible": date(2026, 12, 24),
    }


def test_a_patient_is_the_same_in_german_and_in_english() -> None:
    german = row(
        Kind.PATIENTS, geburtsdatum="17.04.1988", geschlecht="weiblich", diagnose="f32.1 g", krankenkasse="AOK Nordost",
        startdatum="2026-03-02", zeitliche_verfuegbarkeit={"Mo": ["08:00-12:00"]}, offen_fuer_gruppentherapie="nein",
        psychotherapieerfahrung=1, letzter_kontakt=None,
    )  # fmt: skip
    english = row(
        Kind.PATIENTS, birth_date="1988-04-17", gender="weiblich", diagnosis="F32.1 G", insurance="AOK Nordost",
        registered_on="2026-03-02T08:00:00", availability={"monday": ["08:00-12:00"]}, open_to_group_therapy=False,
        earlier_therapy="1", last_session_on="",
    )  # fmt: skip

    assert german.given == english.given
    assert german.warnings == []


def test_a_request_is_the_same_in_german_and_in_english() -> None:
    german = row(
        Kind.PLACEMENT_REQUESTS,
        patient_id="2",
        therapist_id=3,
        status="in_bearbeitung",
        created_at="2026-03-02T08:00:00",
    )
    english = row(
        Kind.PLACEMENT_REQUESTS,
        patient_id=2,
        therapist_id="3",
        status="In Progress",
        requested_at="2026-03-02T09:00+01:00",
    )

    assert german.given == english.given
    assert german.given["requested_at"] == datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "name", "column"),
    [
        (Kind.THERAPISTS, "Telefonische Erreichbarkeit", "phone_availability"),
        (Kind.THERAPISTS, "potenziellVerfügbar", "potentially_available"),
        (Kind.THERAPISTS, " E-Mail ", "email"),
        (Kind.THERAPISTS, "Straße", "street"),
        (Kind.PLACEMENT_REQUESTS, "patientId", "patient_id"),
        (Kind.PATIENTS, "offen-für-Gruppentherapie", "open_to_group_therapy"),
        (Kind.PATIENTS, "vorname", None),
        (Kind.PATIENTS, "x" * 10_000, None),
    ],
)
def test_field_names_are_found_in_many_spellings(kind: Kind, name: str, column: str | None) -> None:
    assert column_of(kind, name) == column


@pytest.mark.parametrize(
    "bad",
    [
        0,
        -1,
        2**53 + 1,
        10**30,
        True,
        1.0,
        1.5,
        "x",
        "1.0",
        "-1",
        "1e3",
        "٣",
        "²",
        "12345678901234567",
        [1],
        {},
        NotAValue(),
    ],
)
def test_an_id_that_is_none_refuses_the_row(bad: Any) -> None:
    with pytest.raises(RowRefused) as caught:
        row(Kind.PATIENTS, id=bad)
    assert (caught.value.field, caught.value.reason) == ("id", "not_an_id")


@pytest.mark.parametrize("good", [1, 2**53, "7", " 7 ", "0007"])
def test_ids_are_numbers_or_their_digits(good: Any) -> None:
    assert row(Kind.PATIENTS, id=good).id == int(good)


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_a_row_without_an_id_is_refused(missing: Any) -> None:
    with pytest.raises(RowRefused, match="id_missing"):
        row(Kind.PATIENTS, id=missing)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("status", "maybe"), ("status", "gesperrrt"), ("status", 1), ("status", ["aktiv"]),
        ("naechster_kontakt_moeglich", "bald"), ("naechster_kontakt_moeglich", "31.02.2026"),
        ("do_not_contact", 7), ("do_not_contact", "x" * 3000), ("do_not_contact", "a\0b"),
    ],
)  # fmt: skip
def test_what_holds_a_contact_back_is_never_left_out(field: str, bad: Any) -> None:
    with pytest.raises(RowRefused):
        therapist(**{field: bad})


@pytest.mark.parametrize("field", ["status"])
def test_a_status_that_is_not_known_says_nothing(field: str) -> None:
    assert therapist(**{field: None}) == {}


@pytest.mark.parametrize(
    ("given", "kept"),
    [(True, "ohne Angabe von Gründen"), ("ja", "ohne Angabe von Gründen"), (False, None), ("nein", None), (None, None),
     ("", None), ("will nicht\r\nmehr", "will nicht\nmehr")],
)  # fmt: skip
def test_do_not_contact_is_a_reason_or_nothing(given: Any, kept: str | None) -> None:
    assert therapist(do_not_contact=given) == {"do_not_contact": kept}


@pytest.mark.parametrize("given", [True, "true", "Ja", "YES", 1, "1"])
def test_yes_is_yes(given: Any) -> None:
    assert row(Kind.PATIENTS, open_to_group_therapy=given).given == {"open_to_group_therapy": True}


@pytest.mark.parametrize("given", ["maybe", 2, "2", -1, 0.0, 1.0, [], {}, "wahrscheinlich", "t", NotAValue()])
def test_maybe_is_neither_yes_nor_no(given: Any) -> None:
    found = row(Kind.PATIENTS, open_to_group_therapy=given)

    assert found.given == {"open_to_group_therapy": None}
    assert reasons(found) == [("open_to_group_therapy", "not_yes_or_no")]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("2026-03-02", date(2026, 3, 2)), ("02.03.2026", date(2026, 3, 2)), ("2.3.2026", date(2026, 3, 2)),
        ("2026-03-02T23:30:00", date(2026, 3, 3)), ("2026-03-02T23:30:00+01:00", date(2026, 3, 2)),
        ("29.02.2024", date(2024, 2, 29)),
    ],
)  # fmt: skip
def test_dates_are_iso_or_german(given: str, read: date) -> None:
    assert row(Kind.PATIENTS, startdatum=given).given == {"registered_on": read}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("29.02.2026", "not_a_date"), ("03/02/2026", "not_a_date"), ("2.3.26", "not_a_date"),
        ("20260302", "not_a_date"),
        (20260302, "not_a_date"), (True, "not_a_date"), ("gestern", "not_a_date"), ("2026-W10-1", "not_a_date"),
        ("0001-01-01", "implausible_date"), ("9999-12-31", "implausible_date"),
        ("9999-12-31T23:59:59-12:00", "implausible_date"), ("0001-01-01T00:00:00+14:00", "implausible_date"),
        (NotAValue(), "not_a_date"), ("1988-04-17" * 100, "not_a_date"),
    ],
)  # fmt: skip
def test_a_date_that_is_none_is_left_out(given: Any, reason: str) -> None:
    for kind, field, column in (
        (Kind.PATIENTS, "startdatum", "registered_on"),
        (Kind.PLACEMENT_REQUESTS, "created_at", "requested_at"),
    ):
        found = row(kind, **{field: given})

        assert (found.given, reasons(found)) == ({column: None}, [(column, reason)])


def test_nobody_is_born_tomorrow() -> None:
    found = row(Kind.PATIENTS, geburtsdatum="2026-11-24")

    assert (found.given, reasons(found)) == ({"birth_date": None}, [("birth_date", "implausible_date")])


def test_a_fact_given_twice_must_agree() -> None:
    assert therapist(email="a@x.example", **{"E-Mail": "a@x.example"})["email"] == "a@x.example"
    assert therapist(vorname=None, first_name="Andrea") == {"first_name": "Andrea"}
    with pytest.raises(RowRefused, match="field_given_twice"):
        therapist(vorname="Andrea", first_name="Anna")


def test_absent_is_absent_and_null_clears() -> None:
    assert therapist() == {}
    assert therapist(email=None, telefon="", titel=" ") == {
        "email": None,
        "mailbox": None,
        "phone": None,
        "phone_extension": None,
        "title": None,
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.builds(NotAValue),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = sorted(
    {*GERMAN, *ENGLISH, "diagnose", "patient_id", "priority", "notes", "created_at", "krankenkasse", "status"}
)


@given(st.sampled_from(Kind), st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=6))
def test_nonsense_is_refused_or_warned_of_and_never_raised(kind: Kind, fields: dict[str, Any]) -> None:
    try:
        said = {note.reason for note in row(kind, **fields).warnings}
    except RowRefused as refused:
        said = {refused.reason}

    assert said <= REASONS.keys()
