"""What of a patient may leave the house, and in which words."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.services.letters.facts import age_band, diagnosis, half_days, month, patient_facts
from comms.services.letters.words import ENGLISH, GERMAN, Words, day, fact_lines, number_in_words
from comms.store.models import Patient

TODAY = date(2026, 11, 23)

KNOWN: dict[str, Any] = {
    "id": 4711,
    "birth_date": date(1988, 4, 17),
    "gender": "weiblich",
    "diagnosis": "F32.1 V",
    "insurance": "AOK Nordost A123456789",
    "insurance_kind": "statutory",
    "registered_on": date(2026, 3, 2),
    "availability": {"thursday": [["14:00", "18:00"]], "monday": [["08:00", "12:00"], ["13:00", "16:00"]]},
    "open_to_group_therapy": False,
    "earlier_therapy": True,
    "last_session_on": date(2020, 1, 1),
}


def test_a_known_patient_gives_every_fact_as_a_code() -> None:
    assert patient_facts(Patient(**KNOWN), TODAY, "category") == {
        "age_band": "30-39",
        "diagnosis": "F32",
        "insurance": "statutory",
        "availability": {"monday": ["morning", "afternoon"], "thursday": ["afternoon"]},
        "group_therapy": False,
        "earlier_therapy": True,
        "waiting_since": "2026-03",
    }


def test_an_unknown_patient_gives_no_fact_at_all() -> None:
    assert patient_facts(Patient(id=1, facts_missing=True), TODAY, "full") == {}


@pytest.mark.parametrize("fact", [key for key in KNOWN if key != "id"])
def test_a_missing_fact_has_no_key_and_takes_no_other_with_it(fact: str) -> None:
    whole = patient_facts(Patient(**KNOWN), TODAY, "category")
    facts = patient_facts(Patient(**(KNOWN | {fact: None})), TODAY, "category")

    assert None not in facts.values()
    assert len(facts) >= len(whole) - 1
    assert facts.items() <= {**whole}.items()


def test_neither_the_birth_date_nor_the_insurer_nor_the_gender_nor_an_id_leaves_the_house() -> None:
    said = json.dumps(patient_facts(Patient(**KNOWN), TODAY, "full"))

    for secret in ("1988", "04-17", "AOK", "A123456789", "weiblich", "4711", "2020", "03-02"):
        assert secret not in said


@pytest.mark.parametrize(
    ("given_code", "category", "full"),
    [
        ("F32.1", "F32", "F32.1"),
        ("F32.1 V", "F32", "F32.1"),
        ("F32.1 G", "F32", "F32.1"),
        ("F32.1G", "F32", "F32.1"),
        ("F32.1 Z", "F32", "F32.1"),
        ("F32.1 A", None, None),
        ("f32.1 v", "F32", "F32.1"),
        ("  F32  ", "F32", "F32"),
        ("F32.-", "F32", "F32"),
        ("F32.1-", "F32", "F32.1"),
        ("F43.21 G", "F43", "F43.21"),
        ("F00.1* G", "F00", "F00.1"),
        ("G30.1+ G", "G30", "G30.1"),
        ("Z73", "Z73", "Z73"),
        ("", None, None),
        (None, None, None),
        ("Depression", None, None),
        ("F32.1 schwere Depression nach Trennung", None, None),
        ("Anna Müller F32.1", None, None),
        ("F32.1, Anna Müller", None, None),
        ("F32.1 F41.0", None, None),
        ("F3", None, None),
        ("F321", None, None),
        ("F32.123", None, None),
        ("F32.1 X", None, None),
        ("F٣٢.١", None, None),
        ("F32.1\nG\nBcc: x@y.example", None, None),
        ("None", None, None),
    ],
)
def test_a_diagnosis_is_one_icd_10_code_or_left_out(
    given_code: str | None, category: str | None, full: str | None
) -> None:
    assert diagnosis(given_code, "category") == category
    assert diagnosis(given_code, "full") == full
    assert diagnosis(given_code, "none") is None


@pytest.mark.parametrize(
    ("born", "band"),
    [
        (date(2026, 11, 23), "0-17"),
        (date(2008, 11, 24), "0-17"),
        (date(2008, 11, 23), "18-29"),
        (date(1996, 11, 24), "18-29"),
        (date(1996, 11, 23), "30-39"),
        (date(1988, 2, 29), "30-39"),
        (date(1946, 11, 24), "70-79"),
        (date(1946, 11, 23), "80+"),
        (date(1906, 11, 23), "80+"),
        (date(1905, 11, 23), None),
        (date(2026, 11, 24), None),
        (date(1, 1, 1), None),
        (None, None),
    ],
)
def test_an_age_is_told_as_a_band_that_changes_on_the_birthday(born: date | None, band: str | None) -> None:
    assert age_band(born, TODAY) == band


@pytest.mark.parametrize(
    ("windows", "halves"),
    [
        ([["08:00", "12:00"]], ["morning"]),
        ([["12:00", "16:00"]], ["afternoon"]),
        ([["08:00", "20:00"]], ["morning", "afternoon"]),
        ([["08:00", "12:30"]], ["morning"]),
        ([["11:30", "12:30"]], ["morning"]),
        ([["11:45", "12:30"]], ["afternoon"]),
        ([["11:10", "12:50"]], ["morning", "afternoon"]),
        ([["23:00", "24:00"]], ["afternoon"]),
        ([["08:00", "08:30"], ["09:00", "09:30"]], ["morning"]),
        ([["12:00", "08:00"]], None),
        ([["x", "y"]], None),
        ([], None),
        (None, None),
    ],
)
def test_weekly_windows_become_half_days(windows: list[list[str]] | None, halves: list[str] | None) -> None:
    assert half_days({"tuesday": windows}) == ({"tuesday": halves} if halves else {})


def test_a_month_in_the_future_is_no_waiting_time() -> None:
    assert month(date(2026, 11, 24), TODAY) is None
    assert month(date(2026, 11, 23), TODAY) == "2026-11"


FACTS = {
    "waiting_since": "2026-03",
    "age_band": "30-39",
    "diagnosis": "F32",
    "insurance": "self",
    "availability": {"friday": ["afternoon", "morning"], "monday": ["morning"]},
    "group_therapy": False,
    "earlier_therapy": True,
}


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            GERMAN,
            [
                ("Altersgruppe", "30 bis 39 Jahre"),
                ("Diagnose (ICD-10)", "F32"),
                ("Versicherung", "Selbstzahlung"),
                ("Zeitlich verfügbar", "Montag vormittags, Freitag ganztags"),
                ("Offen für Gruppentherapie", "nein"),
                ("Frühere Psychotherapie", "ja"),
                ("Wartet seit", "März 2026"),
            ],
        ),
        (
            ENGLISH,
            [
                ("Age group", "30 to 39"),
                ("Diagnosis (ICD-10)", "F32"),
                ("Insurance", "self-paying"),
                ("Available", "Monday mornings, Friday all day"),
                ("Open to group therapy", "no"),
                ("Previous psychotherapy", "yes"),
                ("Waiting since", "March 2026"),
            ],
        ),
    ],
)
def test_facts_are_said_in_the_order_of_the_table(words: Words, lines: list[tuple[str, str]]) -> None:
    assert fact_lines(FACTS, words) == lines


def test_the_youngest_and_the_oldest_have_words_of_their_own() -> None:
    assert fact_lines({"age_band": "0-17"}, GERMAN) == [("Altersgruppe", "unter 18 Jahren")]
    assert fact_lines({"age_band": "80+"}, ENGLISH) == [("Age group", "80 or over")]


def test_every_band_and_kind_that_is_frozen_can_be_said_in_both_languages() -> None:
    for words in (GERMAN, ENGLISH):
        for age in range(121):
            band = age_band(date(2026 - age, 1, 1), TODAY)
            assert fact_lines({"age_band": band}, words), band


@given(
    st.dictionaries(
        st.sampled_from([*FACTS, "name", "notes"]), st.text() | st.none() | st.integers() | st.lists(st.text())
    )
)
def test_what_is_not_one_of_our_codes_is_never_printed(facts: dict[str, Any]) -> None:
    printed = {value for _, value in fact_lines(facts, GERMAN)}

    assert not any(value.isalpha() and len(value) > 20 for value in printed)
    assert "None" not in " ".join(printed)
    assert all(label in GERMAN.labels.values() for label, _ in fact_lines(facts, GERMAN))


@pytest.mark.parametrize("key", list(FACTS))
@pytest.mark.parametrize(
    "value", ["Anna Müller", "<b>F32</b>", None, 7, ["x"], {"monday": "Anna"}, {"monday": ["Anna"]}]
)
def test_a_fact_with_a_foreign_value_is_left_out(key: str, value: Any) -> None:
    assert fact_lines({key: value}, GERMAN) == []


def test_dates_and_numbers_are_written_as_in_the_language() -> None:
    assert (day(date(2026, 3, 2), GERMAN), day(date(2026, 3, 2), ENGLISH)) == ("02.03.2026", "2 March 2026")
    assert [number_in_words(n, GERMAN) for n in (2, 12, 13)] == ["zwei", "zwölf", "13"]
    assert [number_in_words(n, ENGLISH) for n in (2, 12, 13)] == ["two", "twelve", "13"]
