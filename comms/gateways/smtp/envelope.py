"""MAIL and RCPT: addresses as they may stand in a command, and the parameters that go with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import idna

from comms.ports import Letter
from comms.rules.replies import Fault, Phase, Reply

_ADDRESS = re.compile(r"[^\s<>\x00-\x1f\x7f\"(),:;\\\[\]@]+@[^\s<>\x00-\x1f\x7f\"(),:;\\@]+")
"""One dot-atom mailbox. Stricter than RFC 5321: what could end a command or begin another never gets in."""
MAX_ADDRESS = 254
"""RFC 5321 4.5.3.1.3: a path has 256 octets, brackets included."""


class Unsendable(Exception):
    """This relay, or any, cannot be asked to take the letter; `reply` stands for its refusal."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True)
class Envelope:
    """The two commands, CRLF included."""

    mail: bytes
    rcpt: bytes


def make_envelope(letter: Letter, offers: Mapping[str, str]) -> Envelope:
    """Spell the envelope for a server with these offers; Unsendable says why there is none."""
    sender = _address(letter.sender, Reply(Phase.MAIL, fault=Fault.SENDER_UNUSABLE))
    recipient = _address(letter.recipient, Reply(Phase.RCPT, fault=Fault.RECIPIENT_UNUSABLE))
    parameters = []
    if not (sender.isascii() and recipient.isascii()):
        if "SMTPUTF8" not in offers:
            raise Unsendable(Reply(Phase.RCPT, fault=Fault.SMTPUTF8_MISSING))
        parameters.append("SMTPUTF8")
    if "8BITMIME" in offers and not letter.content.isascii():
        parameters.append("BODY=8BITMIME")
    parameters += _size(letter, offers)
    mail = " ".join([f"MAIL FROM:<{sender}>", *parameters])
    return Envelope(f"{mail}\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode())


def _size(letter: Letter, offers: Mapping[str, str]) -> list[str]:
    """RFC 1870: 0 or nothing means that no limit is known."""
    if "SIZE" not in offers:
        return []
    limit = offers["SIZE"].strip()
    if limit.isascii() and limit.isdigit() and 0 < int(limit) < len(letter.content):
        raise Unsendable(Reply(Phase.MAIL, fault=Fault.TOO_LARGE))
    return [f"SIZE={len(letter.content)}"]


def _address(address: str, refusal: Reply) -> str:
    """The domain in ASCII (IDNA 2008: ß stays ß); the local part as it is, which may need SMTPUTF8."""
    if not _ADDRESS.fullmatch(address):
        raise Unsendable(refusal)
    local, _, domain = address.rpartition("@")
    try:
        plain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
        spelled = f"{local}@{plain}"
        too_long = len(spelled.encode()) > MAX_ADDRESS
    except UnicodeError:  # idna.IDNAError is one; so is a lone surrogate
        raise Unsendable(refusal) from None
    if too_long:
        raise Unsendable(refusal)
    return spelled
