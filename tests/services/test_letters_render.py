"""What letters say: every template, language and part."""

from __future__ import annotations

import re
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from comms.errors import BadInput, ConfigurationError, LetterNotRendered
from comms.services.letters import Addressee, EarlierEmail, Letters, PatientLine, Rendered
from comms.services.letters.render import KINDS, TEMPLATES
from comms.services.letters.specimen import FULL
from comms.services.letters.words import WORDS, fact_lines
from tests.services.letters import ANDREA, IDENTITY, LETTERS, REPLY_TO, one_line, patients, shown

LANGUAGES = ("de", "en")
EARLIER = EarlierEmail(date(2026, 11, 16), date(2026, 11, 18))
ONE_OF_THREE = EarlierEmail(date(2026, 11, 16), date(2026, 11, 18), numbered=True)


def render(
    kind: str = "request", *numbers: int, to: Addressee = ANDREA, letters: Letters = LETTERS, **more: Any
) -> Rendered:
    lines = more.pop("lines", None) or patients(*numbers)
    return letters.render(kind, to, lines, more.pop("identity", IDENTITY), reply_to=REPLY_TO, **more)


def parts(rendered: Rendered) -> dict[str, str]:
    return {"html": shown(rendered.html), "text": one_line(rendered.text)}


@pytest.mark.parametrize(("kind", "language", "count"), list(product(KINDS, LANGUAGES, (1, 2, 5))))
@pytest.mark.parametrize("full", [True, False], ids=["full", "minimal"])
def test_every_letter_can_be_written_with_full_and_with_minimal_data(
    kind: str, language: str, count: int, full: bool
) -> None:
    to = Addressee(language, "frau", "Dr.", "Andrea", "Müller") if full else Addressee(language)
    lines = patients(*range(1, count + 1), facts=None if full else {})
    rendered = render(kind, to=to, lines=lines, earlier=EARLIER if full else None)

    for part in parts(rendered).values():
        assert rendered.salutation in part
        assert one_line(IDENTITY.legal_footer) in part
        assert IDENTITY.unsubscribe in part
        assert IDENTITY.sender_name in part
        assert not re.search(r"\bNone\b|Undefined|\{\{|\{%|%\}|\}\}", part)
    assert 0 < len(rendered.subject) <= 78


@pytest.mark.parametrize(("kind", "language"), list(product(KINDS, LANGUAGES)))
def test_both_parts_carry_the_same_facts(kind: str, language: str) -> None:
    lines = [PatientLine(number, facts) for number, facts in enumerate(FULL, start=1)]
    rendered = render(kind, to=Addressee(language, "frau", None, "Eva", "Kurz"), lines=lines)
    facts = [fact for line in lines for fact in fact_lines(line.facts, WORDS[language])]

    in_text = [
        tuple(one_line(p) for p in pair)
        for pair in re.findall(r"^  ([^:\n]+): (.+(?:\n    .+)*)$", rendered.text, re.M)
    ]
    in_html = [(shown(a), shown(b)) for a, b in re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", rendered.html)]
    assert in_html == facts
    assert in_text[: len(facts)] == facts


@pytest.mark.parametrize(
    ("kind", "count", "template"),
    [
        ("request", 1, "initial_contact"),
        ("request", 2, "batch_request"),
        ("request", 5, "batch_request"),
        ("batch_request", 1, "initial_contact"),
        ("initial_contact", 2, "batch_request"),
        ("follow_up", 1, "follow_up"),
        ("follow_up", 3, "follow_up"),
        ("confirmation", 1, "confirmation"),
        ("confirmation", 2, "confirmation"),
    ],
)
def test_kind_and_number_of_patients_choose_the_template(kind: str, count: int, template: str) -> None:
    assert render(kind, *range(1, count + 1)).template == template


@pytest.mark.parametrize(("kind", "faulty"), [("reminder", "kind"), ("", "kind"), ("../../etc/passwd", "kind")])
def test_an_unknown_kind_is_refused(kind: str, faulty: str) -> None:
    with pytest.raises(BadInput, match=faulty):
        render(kind)


def test_a_letter_about_nobody_is_refused() -> None:
    with pytest.raises(BadInput, match="patients"):
        LETTERS.render("request", ANDREA, [], IDENTITY, reply_to=REPLY_TO)


@pytest.mark.parametrize(
    ("kind", "language", "one", "three"),
    [
        ("request", "de", "Anfrage zu einem Therapieplatz", "Anfrage zu drei Therapieplätzen"),
        ("request", "en", "Enquiry about a therapy place", "Enquiry about three therapy places"),
        (
            "follow_up",
            "de",
            "Erinnerung an unsere Anfrage zu einem Therapieplatz",
            "Erinnerung an unsere Anfrage zu drei Therapieplätzen",
        ),
        (
            "follow_up",
            "en",
            "Reminder of our enquiry about a therapy place",
            "Reminder of our enquiry about three therapy places",
        ),
        (
            "confirmation",
            "de",
            "Bestätigung Ihrer Zusage zu einem Therapieplatz",
            "Bestätigung Ihrer Zusage zu drei Therapieplätzen",
        ),
        (
            "confirmation",
            "en",
            "Confirmation: your offer of a therapy place",
            "Confirmation: your offer of three therapy places",
        ),
    ],
)
def test_the_subject_says_kind_and_count_and_nothing_about_a_patient(
    kind: str, language: str, one: str, three: str
) -> None:
    to = Addressee(language, "herr", None, "Jan", "Kurz")
    assert render(kind, 1, to=to).subject == one
    assert render(kind, 1, 2, 3, to=to).subject == three


@pytest.mark.parametrize("kind", KINDS)
def test_one_patient_is_singular_and_several_are_plural_throughout(kind: str) -> None:
    singular = {"de": r"einen Patienten", "en": r"\bpatient\b"}
    plural = {
        "de": r"Patientinnen und Patienten|Therapieplätze|Personen|Anfragen zu",
        "en": r"\bpatients\b|\bplaces\b|patients’",
    }
    for language in LANGUAGES:
        to = Addressee(language, "herr", None, "Jan", "Kurz")
        for part in parts(render(kind, 1, to=to)).values():
            assert re.search(singular[language], part)
            assert not re.search(plural[language], part.replace("keine Anfragen mehr", ""))
        for part in parts(render(kind, 1, 2, to=to)).values():
            assert re.search(plural[language], part)
            assert not re.search(r"Die Person sucht|The patient is|the patient’s|eine Patientin oder", part)


def test_numbers_stay_with_their_patients_when_one_is_gone() -> None:
    for part in parts(render("request", 1, 3)).values():
        assert re.findall(r"Patient \d", part)[:1] == ["Patient 1"]
        assert "Patient 3" in part
        assert "Patient 2" not in part


def test_one_patient_alone_is_not_numbered_but_its_answers_are() -> None:
    rendered = render("request", 2)

    for part in parts(rendered).values():
        assert "Patient 2" not in part
    links = [unquote(link) for link in re.findall(r'href="(mailto:[^"]*body=[^"]*)"', rendered.html)]
    assert len(links) == 3
    assert all("body=Patient 2: " in link and link.startswith(f"mailto:{REPLY_TO}?") for link in links)


def test_a_confirmation_of_one_among_several_names_its_number() -> None:
    for part in parts(render("confirmation", 2, earlier=ONE_OF_THREE)).values():
        assert "Patient 2" in part
    for part in parts(render("confirmation", 2, earlier=EARLIER)).values():
        assert "Patient 2" not in part


def test_a_confirmation_states_the_dates_it_is_given_and_no_others() -> None:
    dated, undated = (parts(render("confirmation", 1, earlier=earlier)) for earlier in (EARLIER, None))

    for part in dated.values():
        assert "Ihre Rückmeldung vom 18.11.2026 auf unsere Anfrage vom 16.11.2026." in part
    for part in undated.values():
        assert "vielen Dank für Ihre Rückmeldung. Wir haben" in part


def test_a_confirmation_asks_for_no_answer_by_link() -> None:
    assert "body=" not in render("confirmation", 1, 2).html


def test_the_same_letter_can_be_made_again_from_what_is_stored() -> None:
    first = render("request", 1, 2)
    again = render(first.template, 1, 2, to=Addressee.frozen(first.language, first.salutation))

    assert again == first


def test_a_letter_is_made_anew_for_those_who_are_left() -> None:
    first = render("request", 1, 2)
    left = render(first.template, 2, to=Addressee.frozen(first.language, first.salutation))

    assert (left.template, left.subject) == ("initial_contact", "Anfrage zu einem Therapieplatz")
    assert left.salutation == first.salutation


def test_no_line_of_the_text_part_is_wider_than_the_screen_of_a_plain_mail_program() -> None:
    for kind, language, count in product(KINDS, LANGUAGES, (1, 5)):
        text = render(kind, *range(1, count + 1), to=Addressee(language), earlier=EARLIER).text
        assert max(map(len, text.splitlines())) <= 72
        assert "\n\n\n" not in text
        assert not re.search(r"[ \t]\n", text)


def test_the_html_part_stands_alone() -> None:
    page = render("request", 1, 2).html

    assert page.startswith("<!DOCTYPE html>")
    assert '<html lang="de">' in page
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"<img|<link|<script|https?://|url\(", page)


def test_styles_are_inlined() -> None:
    assert re.search(r'<p style="[^"]*margin', render().html)


# --- replaced by a folder


def put(folder: Path, name: str, source: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")


def test_a_file_in_the_folder_replaces_ours_and_no_other(tmp_path: Path) -> None:
    blocks = "{% block subject %}Eigener Betreff{% endblock %}{% block body %}Eigener Text{% endblock %}"
    put(tmp_path, "de/initial_contact.txt", '{% extends "de/letter.txt" %}' + blocks)
    letters = Letters(tmp_path)

    one, two = render("request", 1, letters=letters), render("request", 1, 2, letters=letters)

    assert one.subject == "Eigener Betreff"
    assert one.text.startswith("Sehr geehrte Frau Dr. Müller,\n\nEigener Text\n\nMit freundlichen Grüßen\n")
    assert one.html == render("request", 1).html.replace("Anfrage zu einem Therapieplatz", "Eigener Betreff").replace(
        "Anfrage%20zu%20einem%20Therapieplatz", "Eigener%20Betreff"
    )
    assert two == render("request", 1, 2)


@pytest.mark.parametrize(
    "name", ["base_email.html", "base_email.txt", "patients.txt", "de/letter.html", "de/initial_contact.html"]
)
def test_the_version_changes_with_every_file_behind_a_letter(tmp_path: Path, name: str) -> None:
    ours = Path(__file__).parents[2] / "comms" / "templates" / name
    put(tmp_path, name, ours.read_text(encoding="utf-8") + "{# changed #}")
    german, english = (
        render("request", 1, to=Addressee(language), letters=Letters(tmp_path)) for language in LANGUAGES
    )

    assert german.version != render("request", 1, to=Addressee("de")).version
    assert (english.version != render("request", 1, to=Addressee("en")).version) == ("/" not in name)


def test_the_version_does_not_depend_on_the_letter() -> None:
    assert len({render("confirmation", *numbers).version for numbers in ((1,), (1, 2), (2, 5))}) == 1
    assert len({render(template, *range(1, 2 + (template == "batch_request"))).version for template in TEMPLATES}) == 4


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% block subject %}x{% endblock %}{{ patients[0].birth_date }}", "birth_date"),
        ("{% block subject %}x{% endblock %}{{ nothing }}", "nothing"),
        ("{% block subject %}x{% endblock %}{% if", "line 1"),
        ("{% block subject %}x{% endblock %}{{ 1 / 0 }}", "line 1: ZeroDivisionError"),
        ("{% block subject %}x{% endblock %}{{ salutation.__class__.__mro__ }}", "unsafe"),
        ("{% block subject %}x{% endblock %}{{ patients.append(1) }}", "unsafe|not safely callable"),
        ("{% block subject %}x{% endblock %}{% for i in range(10 ** 9) %}{% endfor %}", "Range too big|OverflowError"),
        ("{% block subject %}x{% endblock %}{% include '../../../../etc/passwd' %}", "passwd"),
        ("{% block subject %}{% endblock %}", "subject"),
        ("{% block subject %}" + "x" * 301 + "{% endblock %}", "subject"),
        ("no subject at all", "subject"),
    ],
)
def test_a_faulty_template_is_named_and_its_values_are_not(tmp_path: Path, source: str, said: str) -> None:
    put(tmp_path, "de/initial_contact.txt", source)

    with pytest.raises(LetterNotRendered, match=said) as caught:
        render("request", 1, letters=Letters(tmp_path))

    assert str(caught.value).startswith("de/initial_contact: ")
    assert "Müller" not in str(caught.value)


def test_a_folder_that_is_none_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="COMMS_TEMPLATES"):
        Letters(tmp_path / "missing")
