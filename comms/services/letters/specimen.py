"""Letters about nobody: what `comms templates preview` prints and `comms templates check` looks at."""

from __future__ import annotations

import email
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from comms.errors import BadInput
from comms.rules.policy import Identity
from comms.rules.salutation import LANGUAGES, Addressee, name_on_envelope
from comms.services.letters.addresses import reply_address, wire_address
from comms.services.letters.context import EarlierEmail, PatientLine
from comms.services.letters.message import Headers, build_message
from comms.services.letters.render import TEMPLATES, Letters, Rendered

FULL: tuple[dict[str, Any], ...] = (
    {
        "age_band": "30-39",
        "diagnosis": "F32",
        "insurance": "statutory",
        "availability": {"monday": ["morning"], "thursday": ["morning", "afternoon"]},
        "group_therapy": False,
        "earlier_therapy": True,
        "waiting_since": "2026-03",
    },
    {
        "age_band": "0-17",
        "diagnosis": "F41",
        "insurance": "private",
        "availability": {"tuesday": ["afternoon"], "friday": ["afternoon"]},
        "group_therapy": True,
        "earlier_therapy": False,
        "waiting_since": "2026-05",
    },
    {"age_band": "80+", "diagnosis": "F43", "insurance": "self", "group_therapy": True, "waiting_since": "2026-06"},
)
EARLIER = EarlierEmail(sent_on=date(2026, 11, 16), answered_on=date(2026, 11, 18))

_DATED = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
_MARK = "vorschau"
_RECIPIENT = "praxis.mueller@therapie.example"
_ADDRESSEES = {
    language: Addressee(language, "frau", "Dr. phil.", "Andrea", "Müller", "Praxis am Park") for language in LANGUAGES
}


@dataclass(frozen=True)
class Specimen:
    """One letter of which everything is known: what was put in, what was rendered, and the bytes."""

    patients: Sequence[PatientLine]
    rendered: Rendered
    content: bytes


def patients_for(template: str, facts: Sequence[dict[str, Any]]) -> list[PatientLine]:
    """Number as many patients as the template speaks of: one in initial_contact, all in the others."""
    chosen = facts[:1] if template == "initial_contact" else facts
    return [PatientLine(number, dict(known)) for number, known in enumerate(chosen, start=1)]


def preview(letters: Letters, template: str, language: str, identity: Identity) -> Specimen:
    """Make a letter with every fact in it; BadInput for an unknown template or language."""
    if template not in TEMPLATES:
        raise BadInput(f"unknown template; there are {', '.join(TEMPLATES)}", where="NAME")
    if language not in LANGUAGES:
        raise BadInput(f"unknown language; there are {', '.join(LANGUAGES)}", where="--language")
    return make(letters, template, _ADDRESSEES[language], patients_for(template, FULL), identity, EARLIER)


def make(
    letters: Letters,
    template: str,
    addressee: Addressee,
    patients: Sequence[PatientLine],
    identity: Identity,
    earlier: EarlierEmail | None = None,
) -> Specimen:
    """Render and build one letter as the batch does, under a Message-ID that says what it is."""
    reply_to = reply_address(identity.reply_to, _MARK)
    rendered = letters.render(template, addressee, patients, identity, reply_to=reply_to, earlier=earlier)
    headers = Headers(
        message_id=_message_id(rendered, identity),
        dated=_DATED,
        sender=identity.sender,
        sender_name=identity.sender_name,
        recipient=_RECIPIENT,
        recipient_name=name_on_envelope(addressee),
        reply_to=reply_to,
        unsubscribe=reply_address(identity.unsubscribe, _MARK),
        language=rendered.language,
    )
    return Specimen(patients, rendered, build_message(rendered, headers))


def part_of(content: bytes, subtype: str) -> bytes:
    """Return one part (plain or html) as the recipient's program reads it from the message."""
    message = email.message_from_bytes(content)
    part = next(part for part in message.walk() if part.get_content_subtype() == subtype)
    return bytes(part.get_payload(decode=True))


def _message_id(rendered: Rendered, identity: Identity) -> str:
    name = f"{rendered.template}.{rendered.language}.{rendered.version}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"<preview.{digest}@{wire_address(identity.sender, 'From').domain}>"
