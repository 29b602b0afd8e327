"""Sixty hostile strings through every door of a letter: one of each header, and no markup that is not ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from comms.errors import BadInput
from comms.rules.policy import Identity
from comms.services.letters import (
    Addressee,
    Letters,
    Parts,
    PatientLine,
    build_message,
    name_on_envelope,
    patient_facts,
)
from comms.store.models import Patient
from tests.services.letters import ANDREA, IDENTITY, LETTERS, REPLY_TO, make_headers, markup, parse, patients

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script src=//x.example></script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "'><b>fett</b>",
    "<!-- -->",
    "--><i>x</i><!--",
    "]]>",
    "<![CDATA[x]]>",
    "</table></body></html>",
    "<style>*{display:none}</style>",
    "</style><b>x",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "&amp;amp;",
    "&",
    "{{ 7 * 7 }}",
    "{% for x in range(9) %}x{% endfor %}",
    "{# hidden #}",
    "{{ salutation.__class__.__mro__ }}",
    "{{ config }}",
    "${7*7}",
    "%s %d %(name)s %n",
    "{0} {name} {}",
    "\\",
    '"',
    "'",
    "''; DROP TABLE emails; --",
    '", evil@x.example, "',
    "x <evil@x.example>",
    "a@x.example, b@x.example",
    "x; y: z",
    "(Kommentar)",
    "[x]",
    "=?utf-8?q?Bcc=3A_evil=40x.example?=",
    "=?utf-8?b?PGI+?=",
    "=?",
    "Müller\r\nBcc: evil@x.example",
    "Müller\nBcc: evil@x.example",
    "Müller\rBcc: evil@x.example",
    "Müller\r\n\r\n<p>Körper</p>",
    "Müller\u2028Bcc: evil@x.example",
    "Müller\x85Bcc: evil@x.example",
    "Müller\x0bBcc: evil@x.example",
    "Mül\x00ler",
    "\x1b[31mrot\x1b[0m",
    "\u202eretsbüM",
    "\u2066Müller\u2069",
    "Mü\u00adller\u200b\ufeff",
    "מילר",
    "مولر",
    "😀👩‍⚕️🇩🇪",
    "Z̸̢̛a̴̡l̷͜g̶̛o̸",
    "ﷺ",
    "Ａｎｄｒｅａ",
    "\ud83d",
    "x" * 10_000,
    "ß" * 10_000,
    "A " * 5_000,
    "None",
    "null",
    ".",
    "\r\n.\r\nQUIT\r\n",
    "../../etc/passwd",
]
CLEAN = ("Date", "Message-ID", "From", "Reply-To", "To", "Subject", "Auto-Submitted", "Content-Language")
CLEAN = (*CLEAN, "List-Unsubscribe", "MIME-Version", "Content-Type")
FOOTER = "Platzsuche e. V."


def send(to: Addressee, identity: Identity = IDENTITY) -> bytes:
    """Make a letter as the batch does."""
    rendered = LETTERS.render("request", to, patients(1, 2), identity, reply_to=REPLY_TO)
    return build_message(rendered, make_headers(recipient_name=name_on_envelope(to)))


def accepted(build: Callable[[], bytes], *where: str) -> bytes | None:
    """Build, or see that it is refused for a control character in one of the named places."""
    try:
        return build()
    except BadInput as error:
        refused = error
    if refused.where not in where or "control character" not in refused.reason:
        raise refused
    return None


def part(content: bytes, subtype: str) -> str:
    found = [p for p in parse(content).walk() if p.get_content_subtype() == subtype]
    assert len(found) == 1
    return str(found[0].get_content())


def test_there_are_sixty_of_them() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:40])
def test_a_hostile_name_changes_neither_headers_nor_markup(value: str) -> None:
    harmless = send(replace(ANDREA, last_name="Harmlos", first_name="Ada"))
    content = send(Addressee("de", "frau", value, value, f"M {value}", value))

    message = parse(content)
    assert tuple(message.keys()) == CLEAN
    assert [address.addr_spec for address in message["To"].addresses] == ["praxis@therapie.example"]
    assert len(list(message.walk())) == 3
    assert markup(part(content, "html")) == markup(part(harmless, "html"))
    assert max(map(len, content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:40])
def test_a_hostile_setting_changes_neither_headers_nor_markup(value: str) -> None:
    identity = replace(IDENTITY, organisation=f"O {value}", sender_name=f"S {value}", legal_footer=f"L {value}")
    content = accepted(lambda: send(ANDREA, identity), "organisation", "sender name", "legal footer")
    if content is None:
        return
    tags = [tag for tag in markup(part(content, "html")) if tag != ("br", ())]
    assert tags == [tag for tag in markup(part(send(ANDREA), "html")) if tag != ("br", ())]
    assert tuple(parse(content).keys()) == CLEAN


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:40])
def test_a_hostile_subject_is_refused_or_stays_one_subject(value: str) -> None:
    content = accepted(lambda: build_message(Parts(value, "<p>x</p>", "x"), make_headers()), "Subject")
    if content is None:
        return
    message = parse(content)
    assert tuple(message.keys()) == CLEAN
    assert str(message["Subject"]) == " ".join(value.split())
    assert max(map(len, content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:40])
def test_a_hostile_body_is_refused_or_stays_in_its_part(value: str) -> None:
    content = accepted(lambda: build_message(Parts("x", value, value), make_headers()), "text part", "HTML part")
    if content is None:
        return
    assert tuple(parse(content).keys()) == CLEAN
    assert len(list(parse(content).walk())) == 3
    assert max(map(len, content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:40])
def test_free_text_of_a_patient_never_reaches_a_letter(value: str) -> None:
    marked = f"GEHEIM{value}"
    patient = Patient(
        id=4711,
        birth_date=date(1988, 4, 17),
        gender=marked,
        diagnosis=marked,
        insurance=marked,
        insurance_kind=marked,
        availability={"monday": [[marked, marked]]},
        availability_faults=[marked],
        registered_on=date(2026, 3, 2),
    )
    lines = [PatientLine(1, patient_facts(patient, date(2026, 11, 23), "full")), PatientLine(2, {"age_band": marked})]
    rendered = LETTERS.render("request", ANDREA, lines, IDENTITY, reply_to=REPLY_TO)

    for text in (rendered.subject, rendered.html, rendered.text):
        assert "GEHEIM" not in text
        assert "1988" not in text
        assert "4711" not in text


def test_a_name_is_not_run_as_a_template(tmp_path: Any) -> None:
    to = replace(ANDREA, last_name="{{ 7 * 7 }} M")

    rendered = Letters(tmp_path).render("request", to, patients(1), IDENTITY, reply_to=REPLY_TO)

    assert rendered.salutation == "Sehr geehrte Frau Dr. {{ 7 * 7 }} M,"
    assert "{{ 7 * 7 }} M" in rendered.text
    assert "49" not in rendered.text


def test_a_name_with_markup_is_shown_and_not_obeyed() -> None:
    to = replace(ANDREA, last_name="<b>Müller</b>")

    rendered = LETTERS.render("request", to, patients(1), IDENTITY, reply_to=REPLY_TO)

    assert "&lt;b&gt;Müller&lt;/b&gt;" in rendered.html
    assert "Frau Dr. <b>Müller</b>," in rendered.text
