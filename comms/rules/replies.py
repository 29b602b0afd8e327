"""What a mail server says, as codes and stable words. Its text is looked at once and forgotten: it holds addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where in an SMTP conversation something happened. Only in `CONTENT` may the message have been taken."""

    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    """From the final dot on. A connection that breaks before the dot is still in `DATA`: RFC 5321 4.1.1.4."""


class Fault(StrEnum):
    """A stable word for what has no reply, or whose reply says more than its codes."""

    TIMEOUT = "timeout"
    CLOSED = "closed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    DNS = "dns"
    GARBAGE = "garbage"
    TLS_MISSING = "tls_missing"
    TLS_FAILED = "tls_failed"
    CERTIFICATE = "certificate"
    INJECTED = "injected"
    AUTH_UNSAFE = "auth_unsafe"
    AUTH_MISSING = "auth_missing"
    SENDER_UNUSABLE = "sender_unusable"
    RECIPIENT_UNUSABLE = "recipient_unusable"
    SMTPUTF8_MISSING = "smtputf8_missing"
    TOO_LARGE = "too_large"
    MARK_REFUSED = "mark_refused"
    NOT_STARTED = "not_started"
    RELAY_DENIED = "relay_denied"
    BLOCKED = "blocked"
    REFUSED_IN_A_ROW = "refused_in_a_row"


@dataclass(frozen=True)
class Reply:
    """What the other side said, or that it said nothing (`code` None)."""

    phase: Phase
    code: int | None = None
    enhanced: str | None = None
    """Class, subject and detail after RFC 3463, e.g. "5.1.1"."""
    fault: Fault | None = None

    def __str__(self) -> str:
        """Phase and codes, e.g. "rcpt 550 5.1.1": safe to log, store and show."""
        return " ".join(str(part) for part in (self.phase, self.code, self.enhanced, self.fault) if part)


_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")

_RELAY_DENIED = re.compile(
    r"relay(ing)? (access )?(is )?(denied|not permitted|not allowed|prohibited|refused)"
    r"|unable to relay|not? relay(ing)?\b"
    r"|authentication (is )?required|must authenticate|not authenticated|authenticate first",
    re.IGNORECASE,
)
_BLOCKED = re.compile(
    r"\bspam|black ?list|block ?list|deny ?list|\bdnsbl|\brbl\b|blocked|reputation|\bpolicy|\bdmarc\b|\bspf\b|\bdkim\b",
    re.IGNORECASE,
)


def read_enhanced(code: int, text: str) -> str | None:
    """Find the enhanced code at the start of a text; one whose class contradicts the code is ignored (RFC 2034 4)."""
    found = _ENHANCED.match(text)
    return found[1] if found and found[1][0] == str(code)[0] else None


def read_word(code: int, text: str) -> Fault | None:
    """Say in a word what the codes often do not: that we may not relay, or are taken for spam."""
    if code < 400:
        return None
    if _RELAY_DENIED.search(text):
        return Fault.RELAY_DENIED
    return Fault.BLOCKED if _BLOCKED.search(text) else None
