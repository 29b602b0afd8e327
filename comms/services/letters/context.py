"""What templates may speak of: plain words, already in the letter's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import quote

from comms.rules.policy import Identity
from comms.services.letters.addresses import require_plain
from comms.services.letters.words import Words, day, fact_lines, number_in_words


@dataclass(frozen=True)
class PatientLine:
    """One patient in a letter: the number it keeps for ever, and what `patient_facts` said when the email was made."""

    number: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EarlierEmail:
    """The letter that a reminder or confirmation speaks of; dates are local.

    `numbered` says that it told several patients apart by number: then one of them alone keeps its number in print.
    """

    sent_on: date | None = None
    answered_on: date | None = None
    numbered: bool = False


@dataclass(frozen=True)
class Answer:
    """A link that begins the therapist's reply."""

    label: str
    href: str


@dataclass(frozen=True)
class PatientView:
    """`heading` is empty where one patient alone needs no number; `facts` are (label, value)."""

    number: int
    heading: str
    facts: list[tuple[str, str]]
    answers: list[Answer]


def common(
    words: Words, salutation: str, count: int, identity: Identity, reply_to: str, earlier: EarlierEmail
) -> dict[str, Any]:
    """What every template knows, the subject included."""
    return {
        "language": words.code,
        "salutation": salutation,
        "count": count,
        "count_in_words": number_in_words(count, words),
        "sender_name": _line(identity.sender_name, "sender name"),
        "organisation": _line(identity.organisation, "organisation"),
        "legal_footer": [_line(line, "legal footer") for line in identity.legal_footer.splitlines() if line.strip()],
        "unsubscribe": identity.unsubscribe,
        "unsubscribe_href": _mailto(identity.unsubscribe, words.unsubscribe),
        "reply_to": reply_to,
        "sent_on": day(earlier.sent_on, words),
        "answered_on": day(earlier.answered_on, words),
        "no_facts": words.no_facts,
    }


def patient_views(
    patients: Sequence[PatientLine], words: Words, reply_to: str, subject: str, numbered: bool
) -> list[PatientView]:
    """Say the facts of each patient, with the links that answer for it."""
    return [
        PatientView(
            number=patient.number,
            heading=f"Patient {patient.number}" if numbered else "",
            facts=fact_lines(patient.facts, words),
            answers=[_answer(label, reply, patient.number, words, reply_to, subject) for label, reply in words.answers],
        )
        for patient in patients
    ]


def _answer(label: str, reply: str, number: int, words: Words, reply_to: str, subject: str) -> Answer:
    return Answer(label, _mailto(reply_to, words.reply + subject, f"Patient {number}: {reply}\r\n"))


def _mailto(address: str, subject: str, body: str = "") -> str:
    href = f"mailto:{quote(address, safe='@+')}?subject={quote(subject, safe='')}"
    return f"{href}&body={quote(body, safe='')}" if body else href


def _line(text: str, where: str) -> str:
    return require_plain(" ".join(text.split()), where)
