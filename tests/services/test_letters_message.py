"""The bytes of a letter: headers, structure, determinism."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.errors import BadInput
from comms.services.letters import Parts, build_message, new_message_id, new_reply_token, reply_address
from tests.services.letters import ANDREA, IDENTITY, LETTERS, REPLY_TO, body_of, make_headers, name_in, parse, patients

PARTS = Parts("Anfrage zu einem Therapieplatz", "<p>Grüße</p>", "Grüße\n")
ONCE = (
    *("Date", "Message-ID", "From", "Reply-To", "To", "Subject", "Auto-Submitted", "Content-Language"),
    *("List-Unsubscribe", "MIME-Version", "Content-Type"),
)


def test_a_letter_has_the_headers_of_the_domain_each_once() -> None:
    message = parse(build_message(PARTS, make_headers()))

    assert message.keys() == list(ONCE)
    assert message["Date"] == "Mon, 23 Nov 2026 00:00:05 +0000"
    assert message["Message-ID"] == "<0123456789abcdef@platzsuche.example>"
    assert message["From"] == "Vermittlung Psychotherapie <vermittlung@platzsuche.example>"
    assert message["Reply-To"] == "antwort+k3v5w7x9@platzsuche.example"
    assert message["To"].addresses[0].display_name == "Dr. Andrea Müller"
    assert [address.addr_spec for address in message["To"].addresses] == ["praxis@therapie.example"]
    assert message["Subject"] == "Anfrage zu einem Therapieplatz"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "de"
    assert message["List-Unsubscribe"] == "<mailto:abmeldung+k3v5w7x9@platzsuche.example?subject=Abmeldung>"
    assert message.get_content_type() == "multipart/alternative"


def test_the_text_comes_before_the_html_and_both_read_back_as_written() -> None:
    rendered = LETTERS.render("request", ANDREA, patients(1, 2), IDENTITY, reply_to=REPLY_TO)
    text, page = parse(build_message(rendered, make_headers())).iter_parts()

    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    assert {part.get_content_charset() for part in (text, page)} == {"utf-8"}
    assert body_of(text) == rendered.text
    assert body_of(page).rstrip() == rendered.html.rstrip()


def test_the_same_input_gives_the_same_bytes() -> None:
    berlin = timezone(timedelta(hours=1))
    made = build_message(PARTS, make_headers())

    assert build_message(Parts(PARTS.subject, PARTS.html, PARTS.text), make_headers()) == made
    assert build_message(PARTS, make_headers(dated=datetime(2026, 11, 23, 1, 0, 5, 999, tzinfo=berlin))) == made


def test_the_boundary_follows_from_the_message_id() -> None:
    one, again, other = (
        parse(build_message(Parts(subject, "<p>x</p>", "x"), make_headers(message_id=id_))).get_boundary()
        for subject, id_ in (("a", "<1@x.example>"), ("b", "<1@x.example>"), ("a", "<2@x.example>"))
    )

    assert one == again != other


def test_every_line_is_ascii_ends_in_crlf_and_is_short() -> None:
    content = build_message(
        Parts("Ä" * 300, "<p>" + "ß" * 5000 + "</p>\r\rx", "x" * 5000 + "\nä\r\nö\rü"),
        make_headers(recipient_name="Ü" * 300, sender_name="Ö" * 300),
    )

    assert content.isascii()
    assert content.endswith(b"--\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)
    lines = content.split(b"\r\n")
    assert max(len(line) for line in lines if not line.startswith(b"List-Unsubscribe: ")) <= 78


@pytest.mark.parametrize("body", [".", "..", ".\n.\n", "x\n.\ny", "From x", "--=_x--", "a \nb\t\n", "=3D=", "\n\n\nx"])
def test_a_body_that_looks_like_smtp_or_mime_reads_back_as_written(body: str) -> None:
    text, page = parse(build_message(Parts("x", body + "\n.", body + "\n."), make_headers())).iter_parts()

    assert body_of(text) == body_of(page) == body + "\n.\n"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip))
def test_any_body_without_control_characters_reads_back_as_written(body: str) -> None:
    text, _ = parse(build_message(Parts("x", "<p>x</p>", body), make_headers())).iter_parts()

    assert bytes(text.get_payload(decode=True)).decode() == body.rstrip() + "\r\n"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).filter(str.strip))
def test_any_subject_and_name_without_control_characters_reads_back_as_written(value: str) -> None:
    content = build_message(Parts(value, "<p>x</p>", "x"), make_headers(recipient_name=value, sender_name=value))
    message = parse(content)

    assert message.keys() == list(ONCE)
    assert str(message["Subject"]) == " ".join(value.split())
    assert name_in(content, "To") == name_in(content, "From") == " ".join(value.split())
    assert [a.addr_spec for header in ("From", "To") for a in message[header].addresses] == [
        IDENTITY.sender,
        "praxis@therapie.example",
    ]


CONTROLS = [
    "\r\nBcc: evil@x.example",
    "\nBcc: x",
    "\rBcc: x",
    "\x00",
    "\x1b[31m",
    "\x0b",
    "\x0c",
    "\x85",
    "\u2028x",
    "\u2029",
    "\x7f",
    "\ud800",
    "\t",
]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize(
    ("field", "header"),
    [
        ("message_id", "Message-ID"),
        ("sender", "From"),
        ("sender_name", "From"),
        ("recipient", "To"),
        ("recipient_name", "To"),
        ("reply_to", "Reply-To"),
        ("unsubscribe", "List-Unsubscribe"),
        ("language", "Content-Language"),
        ("subject", "Subject"),
    ],
)
def test_a_control_character_in_any_value_is_refused_by_the_name_of_its_header(
    field: str, header: str, control: str
) -> None:
    headers = make_headers()
    changed: dict[str, Any] = {} if field == "subject" else {field: getattr(headers, field) + control}
    parts = Parts(PARTS.subject + control, PARTS.html, PARTS.text) if field == "subject" else PARTS

    with pytest.raises(BadInput) as caught:
        build_message(parts, make_headers(**changed))

    assert caught.value.where == header
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(("part", "where"), [("html", "HTML part"), ("text", "text part")])
@pytest.mark.parametrize("body", ["", "  \n", "a\x00b", "a\x1bb", "a\ud800b", "a\x7fb"])
def test_an_empty_or_binary_part_is_refused(part: str, where: str, body: str) -> None:
    values = {"subject": "x", "html": "<p>x</p>", "text": "x"} | {part: body}

    with pytest.raises(BadInput) as caught:
        build_message(Parts(**values), make_headers())
    assert caught.value.where == where


@pytest.mark.parametrize(
    "address",
    [
        *("", "praxis", "@therapie.example", "praxis@", "a@b@c.example", "a b@therapie.example", "a@thera pie.example"),
        *(
            "a@x.example, b@x.example",
            "Praxis <a@x.example>",
            "<a@x.example>",
            "a@x.example;b@x.example",
            "a@x..example",
        ),
        *(".a@x.example", "a.@x.example", "a..b@x.example", "a@-x.example", '"a b"@x.example', "a@[127.0.0.1]"),
        *(
            "a" * 65 + "@x.example",
            "a@" + "x" * 64 + ".example",
            "a@" + "x." * 130 + "example",
            "ä" * 70 + "@x.example",
        ),
    ],
)
@pytest.mark.parametrize(("field", "header"), [("recipient", "To"), ("sender", "From"), ("reply_to", "Reply-To")])
def test_what_is_not_exactly_one_address_is_refused(field: str, header: str, address: str) -> None:
    with pytest.raises(BadInput) as caught:
        build_message(PARTS, make_headers(**{field: address}))
    assert caught.value.where == header


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("praxis@münchen.example", "praxis@xn--mnchen-3ya.example"),
        ("praxis@straße.example", "praxis@xn--strae-oqa.example"),
        ("Praxis.Müller@x.example".replace("ü", "ue"), "Praxis.Mueller@x.example"),
        ("comms@localhost", "comms@localhost"),
        ("o'neill+post@x.example", "o'neill+post@x.example"),
    ],
)
def test_a_domain_is_written_in_ascii(address: str, wire: str) -> None:
    content = build_message(PARTS, make_headers(recipient=address, sender=address))

    assert content.isascii()
    assert parse(content)["To"].addresses[0].addr_spec == parse(content)["From"].addresses[0].addr_spec == wire


def test_only_a_local_part_beyond_ascii_makes_the_message_eight_bit() -> None:
    content = build_message(PARTS, make_headers(recipient="müller@münchen.example"))

    assert "<müller@xn--mnchen-3ya.example>".encode() in content
    assert [line for line in content.split(b"\r\n") if not line.isascii()] == [
        line for line in content.split(b"\r\n") if line.startswith((b"To:", b" <m"))
    ][-1:]


def test_an_empty_display_name_leaves_the_bare_address() -> None:
    assert b"\r\nTo: <praxis@therapie.example>\r\n" in build_message(PARTS, make_headers(recipient_name=" "))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"dated": datetime(2026, 11, 23)}, "Date"),  # noqa: DTZ001
        ({"message_id": "no-brackets@x.example"}, "Message-ID"),
        ({"message_id": "<a b@x.example>"}, "Message-ID"),
        ({"message_id": "<a@x.example> <b@x.example>"}, "Message-ID"),
        ({"message_id": ""}, "Message-ID"),
        ({"language": "deutsch"}, "Content-Language"),
        ({"language": ""}, "Content-Language"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_by_the_name_of_its_header(changed: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as caught:
        build_message(PARTS, make_headers(**changed))
    assert caught.value.where == where


def test_a_subject_that_looks_encoded_is_shown_as_it_is() -> None:
    trick = "=?utf-8?q?Bcc=3A_x?="
    message = parse(build_message(Parts(trick, "<p>x</p>", "x"), make_headers(recipient_name=trick)))

    assert str(message["Subject"]) == message["To"].addresses[0].display_name == trick


def test_message_ids_and_tokens_are_never_the_same_and_survive_a_change_of_case() -> None:
    ids, tokens = {new_message_id("a@münchen.example") for _ in range(500)}, {new_reply_token() for _ in range(500)}

    assert len(ids) == len(tokens) == 500
    assert all(re.fullmatch(r"<[0-9a-f]{32}@xn--mnchen-3ya\.example>", id_) for id_ in ids)
    assert all(re.fullmatch(r"[a-z2-7]{16}", token) for token in tokens)
    assert parse(build_message(PARTS, make_headers(message_id=ids.pop())))["Message-ID"]


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "a@b", "a+b", "ä", "a" * 60])
def test_a_token_that_cannot_stand_in_an_address_is_refused(token: str) -> None:
    with pytest.raises(BadInput):
        reply_address("antwort@platzsuche.example", token)


def test_a_date_is_written_in_utc_with_seconds() -> None:
    made = build_message(PARTS, make_headers(dated=datetime(2026, 3, 29, 2, 30, 1, 500_000, tzinfo=UTC)))

    assert b"Date: Sun, 29 Mar 2026 02:30:01 +0000\r\n" in made
