"""Which addresses, numbers, codes, names and hours go in, and as what."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from comms.services.intake import Kind
from comms.services.intake.rows import read_row
from tests.services.hostile import KEPT, MALFORMED_HOURS, REFUSED
from tests.services.reading import TODAY, reasons, row, therapist


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
