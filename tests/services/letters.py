"""Letters for tests: who writes, to whom, and reading back what was built."""

from __future__ import annotations

import email
import email.policy
import html
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import parseaddr
from html.parser import HTMLParser
from typing import Any

from comms.rules.policy import Identity
from comms.services.letters import Addressee, Headers, Letters, PatientLine, reply_address
from comms.services.letters.specimen import FULL

IDENTITY = Identity(
    sender="vermittlung@platzsuche.example",
    sender_name="Vermittlung Psychotherapie",
    reply_to="antwort@platzsuche.example",
    unsubscribe="abmeldung@platzsuche.example",
    legal_footer="Platzsuche e. V. · Musterstraße 1 · 10115 Berlin\nVR 12345 B, Amtsgericht Charlottenburg",
    organisation="Platzsuche e. V.",
)
REPLY_TO = reply_address(IDENTITY.reply_to, "k3v5w7x9")
ANDREA = Addressee("de", "frau", "Dr. med.", "Andrea", "Müller")
LETTERS = Letters(None)


def patients(*numbers: int, facts: dict[str, Any] | None = None) -> list[PatientLine]:
    return [PatientLine(number, FULL[0] if facts is None else facts) for number in numbers or (1,)]


def make_headers(**changed: Any) -> Headers:
    values: dict[str, Any] = {
        "message_id": "<0123456789abcdef@platzsuche.example>",
        "dated": datetime(2026, 11, 23, 0, 0, 5, tzinfo=UTC),
        "sender": IDENTITY.sender,
        "sender_name": IDENTITY.sender_name,
        "recipient": "praxis@therapie.example",
        "recipient_name": "Dr. Andrea Müller",
        "reply_to": REPLY_TO,
        "unsubscribe": reply_address(IDENTITY.unsubscribe, "k3v5w7x9"),
        "language": "de",
    }
    return Headers(**(values | changed))


def parse(content: bytes) -> EmailMessage:
    """Read a message strictly; any defect is a failure."""
    message = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == []
        assert all(not getattr(value, "defects", ()) for value in part.values())
    return message


def name_in(content: bytes, header: str) -> str:
    """The display name in From or To, decoded as RFC 2047 says: blanks between encoded words do not count."""
    raw = email.message_from_bytes(content, policy=email.policy.compat32)[header]
    quoted, _ = parseaddr(str(raw).replace("\r\n", "").replace("\n", ""))
    return str(make_header(decode_header(quoted))) if "=?utf-8?q?" in quoted else quoted


def body_of(part: Message) -> str:
    """What a part says, with the line ends of this machine."""
    return bytes(part.get_payload(decode=True)).decode().replace("\r\n", "\n")


def shown(page: str) -> str:
    """What a reader of the HTML part sees, in one line."""
    visible = re.sub(r"<style>.*?</style>|<title>.*?</title>|<[^>]*>", " ", page, flags=re.DOTALL)
    return one_line(html.unescape(visible))


def one_line(text: str) -> str:
    return " ".join(text.split())


class _Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("!--", ()))


def markup(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Every tag of a page in its order, with the names of its attributes."""
    parser = _Markup()
    parser.feed(page)
    return parser.tags
