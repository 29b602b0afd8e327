"""The bytes of a letter: the same input gives the same bytes, and no value can become a header of its own.

Written out by hand because `EmailMessage` takes five times as long and chooses a random boundary. Format: RFC 5322,
2045-2047, 2369, 3834; with a local part beyond ASCII also 6532.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from string import ascii_letters, digits
from typing import Protocol
from urllib.parse import quote

from comms.errors import BadInput
from comms.services.letters.addresses import WireAddress, require_plain, wire_address
from comms.services.letters.words import ENGLISH, WORDS

_LINE = 76
_LONGEST_WORD = 54
"""So that "Subject: " and an encoded word stay within a line."""
_Q = [chr(b) if chr(b) in f"{ascii_letters}{digits}!*+-/" else f"={b:02X}" for b in range(256)]
_Q[ord(" ")] = "_"
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ .,:;@()<>\[\]\\\"-]{1,60}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>")
_LANGUAGE = re.compile(r"[a-z]{2}")
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n\r")


class Content(Protocol):
    """Anything with a subject and both parts: `Rendered`, or `Parts` of a stored email."""

    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Parts:
    """Subject and both parts as stored."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Headers:
    """Who writes to whom, when, under which name. `dated` is aware; `message_id` has its angle brackets.

    `reply_to` and `unsubscribe` are bare addresses that carry the letter's token, see `reply_address`.
    """

    message_id: str
    dated: datetime
    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    reply_to: str
    unsubscribe: str
    language: str


def build_message(content: Content, headers: Headers) -> bytes:
    """Write the message with CRLF ends, not yet dot-stuffed; 7-bit unless an address needs SMTPUTF8.

    Raises BadInput naming the header (or part) whose value cannot stand there.
    """
    boundary = _boundary(headers.message_id)
    lines = [
        *_header_lines(content.subject, headers),
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        *_part(boundary, "plain", content.text, "text part"),
        *_part(boundary, "html", content.html, "HTML part"),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode()


def _header_lines(subject: str, headers: Headers) -> list[str]:
    return [
        f"Date: {_date(headers.dated)}",
        f"Message-ID: {_matching(_MESSAGE_ID, headers.message_id, 'Message-ID')}",
        _mailbox("From", headers.sender_name, headers.sender),
        _mailbox("Reply-To", "", headers.reply_to),
        _mailbox("To", headers.recipient_name, headers.recipient),
        f"Subject: {_unstructured('Subject', subject)}",
        "Auto-Submitted: auto-generated",
        f"Content-Language: {_matching(_LANGUAGE, headers.language, 'Content-Language')}",
        f"List-Unsubscribe: {_unsubscribe(headers)}",
        "MIME-Version: 1.0",
    ]


def _date(dated: datetime) -> str:
    if dated.tzinfo is None:
        raise BadInput("an aware datetime is needed", where="Date")
    return format_datetime(dated.astimezone(UTC))


def _matching(pattern: re.Pattern[str], value: str, where: str) -> str:
    if not pattern.fullmatch(require_plain(value, where)):
        raise BadInput("is not of the form this header has", where=where)
    return value


def _mailbox(header: str, name: str, address: str) -> str:
    wire = wire_address(address, header)
    phrase = _phrase(" ".join(require_plain(name, header).split()))
    if not phrase:
        return f"{header}: <{wire}>"
    last_line = f"{header}: {phrase}".rpartition("\r\n")[2]
    fold = "" if len(last_line) + len(str(wire)) + 3 <= _LINE else "\r\n"
    return f"{header}: {phrase}{fold} <{wire}>"


def _phrase(name: str) -> str:
    """Write a display name: as it is, quoted, or encoded where it is long, not ASCII, or looks encoded already."""
    if not name or (_ATOMS.fullmatch(name) and len(name) <= _LINE - 16 and "=?" not in name):
        return name
    if _PHRASE.fullmatch(name) and "=?" not in name:
        escaped = re.sub(r'([\\"])', r"\\\1", name)
        return f'"{escaped}"'
    return _encoded(name)


def _unstructured(header: str, value: str) -> str:
    plain = " ".join(require_plain(value, header).split())
    if not plain:
        raise BadInput("is empty", where=header)
    short = len(header) + 2 + len(plain) <= _LINE
    return plain if plain.isascii() and short and "=?" not in plain else _encoded(plain)


def _encoded(value: str) -> str:
    """Write encoded words (RFC 2047), one a line; none ends within a character."""
    words = [""]
    for character in value:
        piece = "".join(_Q[byte] for byte in character.encode())
        if len(words[-1]) + len(piece) > _LONGEST_WORD:
            words.append("")
        words[-1] += piece
    return "\r\n ".join(f"=?utf-8?q?{word}?=" for word in words)


def _unsubscribe(headers: Headers) -> str:
    wire: WireAddress = wire_address(headers.unsubscribe, "List-Unsubscribe")
    words = WORDS.get(headers.language, ENGLISH)
    return f"<mailto:{quote(str(wire), safe='@+')}?subject={words.unsubscribe}>"


def _boundary(message_id: str) -> str:
    """Derive the boundary from the Message-ID; "=_" cannot occur in a quoted-printable part (RFC 2045, 6.7)."""
    return "=_" + hashlib.sha256(message_id.encode(errors="replace")).hexdigest()[:24]


def _part(boundary: str, subtype: str, body: str, where: str) -> list[str]:
    if not body.strip():
        raise BadInput("is empty", where=where)
    lines = _bytes_of(body, where)
    return [
        f"--{boundary}",
        f"Content-Type: text/{subtype}; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        binascii.b2a_qp(lines).decode("ascii"),
    ]


def _bytes_of(body: str, where: str) -> bytes:
    """Encode a body with CRLF ends, the last line's included; BadInput for what is no text."""
    lines = body.rstrip().replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n") + "\r\n"
    try:
        encoded = lines.encode()
    except UnicodeEncodeError:
        encoded = _CONTROLS
    if len(encoded.translate(None, _CONTROLS)) != len(encoded):
        raise BadInput("holds a control character; take it out", where=where)
    return encoded
