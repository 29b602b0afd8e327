"""Faults of templates that are found before a therapist finds them, and previews that are what is sent."""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import pytest

from comms.errors import BadInput
from comms.services.letters import Letters, Parts, build_message
from comms.services.letters.check import Fault, check_letters
from comms.services.letters.render import TEMPLATES
from comms.services.letters.specimen import part_of, preview
from tests.services.letters import IDENTITY, LETTERS, make_headers, parse

OURS = Path(__file__).parents[2] / "comms" / "templates"


def test_our_own_templates_have_no_fault() -> None:
    assert check_letters(LETTERS, IDENTITY) == []


def test_a_folder_that_repeats_ours_has_no_fault(tmp_path: Path) -> None:
    for source in OURS.rglob("*.*"):
        put(tmp_path, source.relative_to(OURS).as_posix(), source.read_text(encoding="utf-8"))

    assert check_letters(Letters(tmp_path), IDENTITY) == []


BLOCKS = "{% block subject %}x{% endblock %}"


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        (
            "de/follow_up.txt",
            BLOCKS + "{{ birth_date }}",
            Fault("de/follow_up", "follow_up.txt, line 1: 'birth_date' is undefined"),
        ),
        ("en/follow_up.txt", "x", Fault("en/follow_up", "has no block 'subject'")),
        (
            "de/confirmation.html",
            "\n{% if %}",
            Fault(
                "de/confirmation", "de/confirmation.html, line 2: Expected an expression, got 'end of statement block'"
            ),
        ),
        ("de/confirmation.html", "{{ sent_on }}", Fault("de/confirmation.html", "says None")),
        ("de/confirmation.html", "x", Fault("de/confirmation.html", "the salutation is missing")),
        ("de/initial_contact.txt", BLOCKS + "x", Fault("de/initial_contact.txt", "the fact 'Altersgruppe' is missing")),
        (
            "patients.html",
            "{% macro listing(a, b, c='') %}{% endmacro %}",
            Fault("en/batch_request.html", "a patient's number is missing"),
        ),
        (
            "base_email.txt",
            "{{ salutation }}{% block body %}{% endblock %}",
            Fault("de/follow_up.txt", "the legal footer is missing"),
        ),
        (
            "de/letter.html",
            '{% extends "base_email.html" %}',
            Fault("de/batch_request.html", "the opt-out address is missing"),
        ),
        ("de/lettre.html", "x", Fault("de/lettre.html", "replaces no template and is used by none")),
    ],
)
def test_a_fault_is_reported_with_its_template(tmp_path: Path, name: str, source: str, fault: Fault) -> None:
    put(tmp_path, name, source)

    assert fault in check_letters(Letters(tmp_path), IDENTITY)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    put(tmp_path, "de/confirmation.html", "")
    (tmp_path / "de" / "confirmation.html").write_bytes("Grüße".encode("latin-1"))

    assert check_letters(Letters(tmp_path), IDENTITY) == [
        Fault("de/confirmation", "de/confirmation.html: is not UTF-8")
    ]


def test_one_faulty_template_hides_no_other(tmp_path: Path) -> None:
    for name in ("de/follow_up.txt", "en/confirmation.txt"):
        put(tmp_path, name, BLOCKS + "{{ nothing }}")

    assert {fault.template for fault in check_letters(Letters(tmp_path), IDENTITY)} == {
        "de/follow_up",
        "en/confirmation",
    }


@pytest.mark.parametrize(("template", "language"), list(product(TEMPLATES, ("de", "en"))))
def test_a_preview_is_byte_for_byte_what_is_built(template: str, language: str) -> None:
    made = preview(LETTERS, template, language, IDENTITY)
    message = parse(made.content)
    headers = make_headers(
        message_id=str(message["Message-ID"]),
        dated=message["Date"].datetime,
        recipient=message["To"].addresses[0].addr_spec,
        recipient_name="Dr. Andrea Müller",
        reply_to=message["Reply-To"].addresses[0].addr_spec,
        unsubscribe="abmeldung+vorschau@platzsuche.example",
        language=language,
    )
    rendered = made.rendered

    assert build_message(Parts(rendered.subject, rendered.html, rendered.text), headers) == made.content
    assert preview(Letters(None), template, language, IDENTITY).content == made.content
    assert part_of(made.content, "plain") == rendered.text.replace("\n", "\r\n").encode()
    assert part_of(made.content, "html").rstrip() == rendered.html.rstrip().replace("\n", "\r\n").encode()


def test_previews_are_told_apart_by_their_message_ids() -> None:
    made = [preview(LETTERS, template, language, IDENTITY) for template in TEMPLATES for language in ("de", "en")]

    assert len({hashlib.sha256(one.content).digest() for one in made}) == 8
    assert len({parse(one.content)["Message-ID"] for one in made}) == 8


@pytest.mark.parametrize(("template", "language", "where"), [("x", "de", "NAME"), ("follow_up", "fr", "--language")])
def test_a_preview_of_what_does_not_exist_is_refused(template: str, language: str, where: str) -> None:
    with pytest.raises(BadInput) as caught:
        preview(LETTERS, template, language, IDENTITY)
    assert caught.value.where == where


def put(folder: Path, name: str, source: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
