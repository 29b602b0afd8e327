"""Forms of address, case by case. Source: `domain.md`, "Form of address"."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.rules.salutation import Addressee, Degree, clean_name, degree_of, greeting, name_on_envelope

NOBODY = "Sehr geehrte Damen und Herren,"

# salutation, title, first name, last name -> German, English
CASES = [
    ("frau", "Dr.", "Andrea", "Müller", "Sehr geehrte Frau Dr. Müller,", "Dear Dr. Müller,"),
    ("herr", "Prof.", "Jan", "Müller", "Sehr geehrter Herr Professor Müller,", "Dear Professor Müller,"),
    ("frau", "Prof. Dr. med.", "Andrea", "Müller", "Sehr geehrte Frau Professor Müller,", "Dear Professor Müller,"),
    ("herr", "Prof. Dr. Dr. h. c.", "Jan", "Beck", "Sehr geehrter Herr Professor Beck,", "Dear Professor Beck,"),
    ("herr", None, "Jan", "Weber", "Sehr geehrter Herr Weber,", "Dear Mr. Weber,"),
    ("frau", "", "Eva", "Weber", "Sehr geehrte Frau Weber,", "Dear Ms. Weber,"),
    ("frau", "Dr. med.", "Eva", "Weiß", "Sehr geehrte Frau Dr. Weiß,", "Dear Dr. Weiß,"),
    ("frau", "Dr. phil. Dipl.-Psych.", "Eva", "Groß", "Sehr geehrte Frau Dr. Groß,", "Dear Dr. Groß,"),
    ("frau", "Dipl.-Psych.", "Eva", "Özdemir", "Sehr geehrte Frau Özdemir,", "Dear Ms. Özdemir,"),
    ("herr", "M.Sc.", "Jan", "Łukasz", "Sehr geehrter Herr Łukasz,", "Dear Mr. Łukasz,"),
    ("herr", "M. Sc. Psych.", "Jan", "Kurz", "Sehr geehrter Herr Kurz,", "Dear Mr. Kurz,"),
    ("herr", "Psychologischer Psychotherapeut", "Jan", "Kurz", "Sehr geehrter Herr Kurz,", "Dear Mr. Kurz,"),
    ("frau", "Ph.D.", "Eva", "Kurz", "Sehr geehrte Frau Kurz,", "Dear Ms. Kurz,"),
    ("frau", "PD", "Eva", "Kurz", "Sehr geehrte Frau Kurz,", "Dear Ms. Kurz,"),
    ("frau", "Dr.", "Eva", "von Berg", "Sehr geehrte Frau Dr. von Berg,", "Dear Dr. von Berg,"),
    (
        "herr",
        "Dr.",
        "Jan",
        "von und zu Stein",
        "Sehr geehrter Herr Dr. von und zu Stein,",
        "Dear Dr. von und zu Stein,",
    ),
    ("herr", None, "Jan", "de Vries", "Sehr geehrter Herr de Vries,", "Dear Mr. de Vries,"),
    ("herr", None, "Jan", "Graf zu Solms", "Sehr geehrter Herr Graf zu Solms,", "Dear Mr. Graf zu Solms,"),
    (
        "frau",
        None,
        "Eva-Maria",
        "Müller-Lüdenscheidt",
        "Sehr geehrte Frau Müller-Lüdenscheidt,",
        "Dear Ms. Müller-Lüdenscheidt,",
    ),
    ("frau", None, "Eva", "O'Neill", "Sehr geehrte Frau O'Neill,", "Dear Ms. O'Neill,"),
    ("frau", None, None, "Müller", "Sehr geehrte Frau Müller,", "Dear Ms. Müller,"),
    ("FRAU ", None, "Eva", "Müller", "Sehr geehrte Frau Müller,", "Dear Ms. Müller,"),
    ("divers", None, "Andrea", "Müller", "Guten Tag Andrea Müller,", "Dear Andrea Müller,"),
    (None, None, "Andrea", "Müller", "Guten Tag Andrea Müller,", "Dear Andrea Müller,"),
    ("unbekannt", None, "Andrea", "Müller", "Guten Tag Andrea Müller,", "Dear Andrea Müller,"),
    ("divers", "Dr. med.", "Andrea", "Müller", "Guten Tag Dr. Andrea Müller,", "Dear Dr. Müller,"),
    (None, "Prof.", None, "Müller", "Guten Tag Professor Müller,", "Dear Professor Müller,"),
    (None, None, None, "Müller", NOBODY, "Dear Sir or Madam,"),
    (None, None, "Andrea", None, NOBODY, "Dear Sir or Madam,"),
    ("frau", "Dr.", "Andrea", None, NOBODY, "Dear Sir or Madam,"),
    ("frau", None, "Andrea", "   ", NOBODY, "Dear Sir or Madam,"),
    ("herr", None, None, "---", NOBODY, "Dear Sir or Madam,"),
    (None, None, None, None, NOBODY, "Dear Sir or Madam,"),
    ("frau", " Dr. ", " Andrea ", "  von   Berg ", "Sehr geehrte Frau Dr. von Berg,", "Dear Dr. von Berg,"),
    ("frau", None, "Eva", "Mül\r\nler", "Sehr geehrte Frau Mül ler,", "Dear Ms. Mül ler,"),
    ("frau", None, "Eva", "Mül\x00ler\x1b", "Sehr geehrte Frau Mül ler,", "Dear Ms. Mül ler,"),
    ("frau", None, "Eva", "\u202eMüller\u200b", "Sehr geehrte Frau Müller,", "Dear Ms. Müller,"),
    ("frau", None, "Eva", "Mu\u0308ller", "Sehr geehrte Frau Müller,", "Dear Ms. Müller,"),
    ("frau", None, "Eva", "Mül\ud800ler", "Sehr geehrte Frau Müller,", "Dear Ms. Müller,"),
]


@pytest.mark.parametrize(("salutation", "title", "first", "last", "german", "english"), CASES)
def test_a_person_is_addressed_as_the_table_says(
    salutation: str | None, title: str | None, first: str | None, last: str | None, german: str, english: str
) -> None:
    assert greeting(Addressee("de", salutation, title, first, last)) == german
    assert greeting(Addressee("en", salutation, title, first, last)) == english


@pytest.mark.parametrize(
    ("title", "degree"),
    [
        *(
            (title, Degree.DOCTOR)
            for title in ("Dr.", "dr", "DR. MED.", "Dr.med.", "Dr. rer. nat.", "Dr. h.c.", "Dr. Dr.")
        ),
        *(
            (title, Degree.DOCTOR)
            for title in ("PD Dr.", "Priv.-Doz. Dr. med.", "Dipl.-Psych. Dr. phil.", "Doktor", "Dr.in")
        ),
        *(
            (title, Degree.PROFESSOR)
            for title in ("Prof.", "prof", "Professor", "Professorin", "apl. Prof. Dr.", "Prof.in")
        ),
        *((title, Degree.PROFESSOR) for title in ("Univ.-Prof.", "Juniorprofessorin", "Prof. Dr. Dr. h.c. mult.")),
        *(
            (title, Degree.NONE)
            for title in (None, "", " ", "M.Sc.", "Dipl.-Psych.", "B.A.", "Psychotherapeutin", "Ph. D.")
        ),
        *(
            (title, Degree.NONE)
            for title in ("Doktorand", "Doktorandin", "Drogist", "Profi", "med.", "Dipl.-Päd.", "MBA")
        ),
    ],
)
def test_only_doctor_and_professor_count_and_the_highest_alone(title: str | None, degree: Degree) -> None:
    assert degree_of(title) is degree


def test_a_practice_without_a_person_is_addressed_as_ladies_and_gentlemen() -> None:
    assert greeting(Addressee("de", practice_name="Praxis am Park")) == NOBODY


def test_a_frozen_greeting_is_used_as_it_is() -> None:
    assert greeting(Addressee.frozen("de", "Sehr geehrte Frau Dr. Müller,")) == "Sehr geehrte Frau Dr. Müller,"


def test_an_empty_frozen_greeting_does_not_leave_the_letter_without_one() -> None:
    assert greeting(Addressee.frozen("de", "")) == NOBODY


def test_a_language_we_do_not_write_is_addressed_in_german() -> None:
    assert greeting(Addressee("fr", "herr", None, "Jean", "Petit")) == "Sehr geehrter Herr Petit,"


@pytest.mark.parametrize(
    ("addressee", "name"),
    [
        (Addressee(title="Dr. med.", first_name="Andrea", last_name="Müller"), "Dr. Andrea Müller"),
        (Addressee(title="Prof. Dr.", first_name="Jan", last_name="Beck"), "Professor Jan Beck"),
        (Addressee(title="M.Sc.", last_name="Kurz", practice_name="Praxis am Park"), "Kurz"),
        (Addressee(first_name="Andrea", practice_name="Praxis am Park"), "Praxis am Park"),
        (Addressee(), ""),
    ],
)
def test_the_envelope_names_the_person_or_else_the_practice(addressee: Addressee, name: str) -> None:
    assert name_on_envelope(addressee) == name


def test_a_name_longer_than_any_name_is_cut() -> None:
    assert len(clean_name("Ä" * 5000)) == 100


ANY = st.one_of(st.none(), st.text(max_size=200))


@given(st.sampled_from(["de", "en", "xx"]), st.sampled_from(["frau", "herr", "divers", None]), ANY, ANY, ANY, ANY)
def test_whatever_the_names_a_greeting_is_one_clean_line(
    language: str, salutation: str | None, title: str | None, first: str | None, last: str | None, practice: str | None
) -> None:
    line = greeting(Addressee(language, salutation, title, first, last, practice))

    assert line.endswith(",")
    assert line == " ".join(line.split())
    assert len(line) <= 300
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in line)
    line.encode()
