"""From a record to a row: what each field accepts, and what becomes of the rest."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.services.intake import REASONS, Kind, Record
from comms.services.intake.json_rows import NotAValue
from comms.services.intake.names import column_of
from comms.services.intake.rows import Row, RowRefused, read_row
from tests.services.hostile import KEPT, MALFORMED_HOURS, REFUSED

TODAY = date(2026, 11, 23)


def row(kind: Kind, **fields: Any) -> Row:
    return read_row(Record(kind, "here", {"id": 1} | fields), TODAY)


def therapist(**fields: Any) -> dict[str, Any]:
    return row(Kind.THERAPISTS, **fields).given


def reasons(found: Row) -> list[tuple[str | None, str]]:
    return [(note.field, note.reason) for note in found.warnings]


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


@pytest.mark.parametrize(
    ("given", "email", "mailbox"),
    [
        ("praxis@linde.example", "praxis@linde.example", "praxis@linde.example"),
        (" Praxis+A@LINDE.example ", "Praxis+A@linde.example", "praxis@linde.example"),
        ("a@xn--mller-kva.example", "a@müller.example", "a@müller.example"),
        ("jürgen@müller.example", "jürgen@müller.example", "jürgen@müller.example"),
    ],
)
def test_an_email_keeps_its_spelling_beside_its_mailbox(given: str, email: str, mailbox: str) -> None:
    assert therapist(email=given) == {"email": email, "mailbox": mailbox}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("nicht vorhanden", "not_an_email"), ("a@b", "not_an_email"), ("@x.example", "not_an_email"),
        ("Praxis <a@x.example>", "not_an_email"), ("a@x.example; b@x.example", "several_emails"),
        ("a@x.example,b@x.example", "several_emails"), ("a@x.example b@x.example", "several_emails"),
        ("a@x.example\r\nBcc: b@x.example", "control_characters"), ("a\0@x.example", "nul"),
        ("a" * 65 + "@x.example", "not_an_email"), ("a@" + "x" * 400 + ".example", "too_long"),
        (7, "not_an_email"), (["a@x.example"], "not_text"), ("a@localhost", "not_an_email"),
        ("a@[127.0.0.1]", "not_an_email"), ("\u202ea@x.example", "hidden_characters"),
        ("a\ud800@x.example", "broken_text"),
    ],
)  # fmt: skip
def test_an_unusable_address_is_left_out_of_a_row_that_goes_in(given: Any, reason: str) -> None:
    found = row(Kind.THERAPISTS, email=given)

    assert found.given == {"email": None, "mailbox": None}
    assert reasons(found) == [("email", reason)]


@pytest.mark.parametrize(
    ("given", "phone", "extension"),
    [
        ("030 1234567-89", "+49301234567", "89"), ("030/1234567-0", "+49301234567", "0"),
        ("(030) 123 45 67", "+49301234567", None), ("0049 30 1234567", "+49301234567", None),
        ("+49 (0)30 1234567 Durchwahl 12", "+49301234567", "12"), ("030 1234567 ext. 5", "+49301234567", "5"),
        ("030-1234567", "+49301234567", None), ("030 123-4567", "+49301234567", None),
        ("0171-1234567", "+491711234567", None), ("+43 1 5858080", "+4315858080", None),
        ("030/123-45-67", "+49301234567", None),
    ],
)  # fmt: skip
def test_phone_numbers_become_e164_with_the_extension_apart(given: str, phone: str, extension: str | None) -> None:
    assert therapist(telefon=given) == {"phone": phone, "phone_extension": extension}


@pytest.mark.parametrize(
    "given", ["110", "keine", "1234567", 301234567, "030 1234567 / 0171 1234567", "0", "+", "0" * 50]
)
def test_what_cannot_be_dialled_is_left_out(given: Any) -> None:
    found = row(Kind.THERAPISTS, telefon=given)

    assert found.given == {"phone": None, "phone_extension": None}
    assert reasons(found) == [("phone", "not_a_phone_number")]


@pytest.mark.parametrize(
    ("given", "land"),
    [("BE", "BE"), ("be", "BE"), ("DE-BY", "BY"), ("Bayern", "BY"), ("Baden-Wuerttemberg", "BW"), ("THÜRINGEN", "TH"),
     ("NRW", "NW"), ("Sachsen-Anhalt", "ST"), ("Deutschland", None), ("DE", None)],
)  # fmt: skip
def test_a_land_is_a_code_or_its_name(given: str, land: str | None) -> None:
    assert therapist(land=given) == {"land": land}


@pytest.mark.parametrize("given", ["XX", "Tirol", "B", 7])
def test_another_land_is_left_out(given: Any) -> None:
    assert reasons(row(Kind.THERAPISTS, bundesland=given)) == [("land", "unknown_land")]


@pytest.mark.parametrize(
    ("given", "code"), [("10115", "10115"), (1067, "01067"), ("1067", "01067"), ("D-10115", "10115")]
)
def test_a_postal_code_gets_its_lost_zero_back(given: Any, code: str) -> None:
    assert therapist(plz=given) == {"postal_code": code}


@pytest.mark.parametrize("given", ["ABC", "123", "123456", "SW1A 1AA", "１２３４５"])
def test_other_postal_codes_are_left_out(given: str) -> None:
    assert reasons(row(Kind.THERAPISTS, plz=given)) == [("postal_code", "not_a_postal_code")]


@pytest.mark.parametrize("given", ["F32.1", "f32.1 g", "F32.1G", "F41", "F90.-", "F32.1 V, F41.1 G"])
def test_diagnoses_are_codes(given: str) -> None:
    assert row(Kind.PATIENTS, diagnose=given).given == {"diagnosis": given.upper()}


@pytest.mark.parametrize("given", ["Depression", "F32.1 wegen Trennung von Frau M.", "32.1", "F3", "F32.1 X", "FF32"])
def test_words_are_not_kept_as_a_diagnosis(given: str) -> None:
    found = row(Kind.PATIENTS, diagnose=given)

    assert (found.given, reasons(found)) == ({"diagnosis": None}, [("diagnosis", "not_an_icd_code")])


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


def test_there_are_at_least_60_hostile_names_and_40_malformed_hours() -> None:
    assert len(REFUSED) + len(KEPT) >= 60
    assert len(MALFORMED_HOURS) >= 40


@pytest.mark.parametrize("name", REFUSED, ids=range(len(REFUSED)))
def test_a_name_that_could_do_harm_is_left_out(name: str) -> None:
    found = row(Kind.THERAPISTS, nachname=name)

    assert found.given == {"last_name": None}
    assert reasons(found) == [("last_name", REFUSED[name])]


@pytest.mark.parametrize("name", KEPT, ids=range(len(KEPT)))
def test_an_odd_name_stays_as_it_is(name: str) -> None:
    assert therapist(nachname=name) == {"last_name": unicodedata.normalize("NFC", name)}


def test_spaces_and_marks_that_come_with_copied_text_go() -> None:
    assert therapist(nachname="\ufeff  von\u00a0 der\u200b  Hei\u00adde ") == {"last_name": "von der Heide"}


@pytest.mark.parametrize("hours", MALFORMED_HOURS, ids=range(len(MALFORMED_HOURS)))
def test_malformed_hours_are_faults_of_a_row_that_goes_in(hours: Any) -> None:
    found = row(Kind.THERAPISTS, telefonische_erreichbarkeit=hours)

    assert found.given["phone_availability_faults"]
    assert reasons(found) == [("phone_availability", "hours_unreadable")]


def test_what_is_understood_of_the_hours_counts() -> None:
    found = therapist(telefonische_erreichbarkeit={"montag": ["09:00-12:00", "x"]})

    assert found["phone_availability"] == {"monday": [["09:00", "12:00"]]}
    assert found["phone_availability_faults"] == ["monday[1]: not_a_window"]


def test_a_weekday_given_twice_in_json_is_read_twice() -> None:
    from comms.services.intake.json_rows import read_json

    text = '[{"id": 1, "telefonische_erreichbarkeit": {"Mo": ["09:00-10:00"], "Mo": ["14:00-15:00"]}}]'
    (record,) = read_json(text, "x.json", Kind.THERAPISTS)

    found = read_row(record, TODAY)

    assert found.given["phone_availability"] == {"monday": [["09:00", "10:00"], ["14:00", "15:00"]]}


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
