"""Addresses as they stand on the wire, and the ones made for a single letter."""

from __future__ import annotations

import base64
import re
import secrets
import unicodedata
import uuid
from functools import lru_cache
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from comms.errors import BadInput

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_LOCAL_PART = 64
_LONGEST = 254
_TOKEN_BYTES = 10


class WireAddress(NamedTuple):
    """One bare address; the domain is ASCII (`xn--…`), the local part is not where SMTPUTF8 is needed."""

    local: str
    domain: str

    @property
    def needs_smtputf8(self) -> bool:
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def require_plain(text: str, where: str) -> str:
    """Return `text` if it holds neither line ends nor control characters; BadInput naming `where` otherwise."""
    if not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise BadInput("holds a line end or another control character; take it out", where=where)
    return text


@lru_cache(maxsize=4096)
def wire_address(address: str, where: str) -> WireAddress:
    """Read one bare address (no display name, no list); BadInput naming `where` otherwise."""
    plain = _PLAIN.fullmatch(require_plain(address, where))
    if plain is None:
        return _international(address, where)
    if len(address) > _LONGEST or len(plain[1]) > _LONGEST_LOCAL_PART:
        raise BadInput("is longer than an email address may be", where=where)
    return WireAddress(plain[1], plain[2])


def _international(address: str, where: str) -> WireAddress:
    try:
        found = validate_email(address, strict=True, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise BadInput("is not exactly one email address", where=where) from None
    return WireAddress(found.local_part, found.ascii_domain)


def new_message_id(sender_address: str) -> str:
    """Make a Message-ID, angle brackets included, under the sender's domain."""
    return f"<{uuid.uuid4().hex}@{wire_address(sender_address, 'From').domain}>"


def new_reply_token() -> str:
    """Make a secret of 16 letters and digits that survives mail servers which change case."""
    return base64.b32encode(secrets.token_bytes(_TOKEN_BYTES)).decode().lower()


def reply_address(address: str, token: str) -> str:
    """Put `token` into an address: `antwort@…` becomes `antwort+TOKEN@…`; for Reply-To and List-Unsubscribe."""
    if not _TOKEN.fullmatch(token):
        raise BadInput("a token has letters, digits, _ and - only", where="reply token")
    local, _, domain = address.rpartition("@")
    return str(wire_address(f"{local}+{token}@{domain}", "Reply-To"))
