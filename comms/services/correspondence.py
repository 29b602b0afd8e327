"""Between rows and letters: writes the columns of an email from people and frozen facts, and writes them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from comms.rules.policy import Identity
from comms.rules.salutation import Addressee, name_on_envelope
from comms.services.letters.addresses import new_message_id, new_reply_token, reply_address
from comms.services.letters.context import EarlierEmail, PatientLine
from comms.services.letters.facts import patient_facts
from comms.services.letters.message import Headers, Parts, build_message
from comms.services.letters.personal import PersonalEmail, sign
from comms.services.letters.render import Letters, Rendered
from comms.store.models import Email, Patient, Therapist

_FROZEN = (
    "recipient_email", "recipient_name", "sender_email", "sender_name", "message_id", "reply_token", "dated",
)  # fmt: skip
"""What a letter keeps for as long as it waits, whoever is withdrawn from it."""


@dataclass(frozen=True)
class Correspondence:
    """All that a letter needs besides people: templates, our identity, what of a diagnosis may be said, local time."""

    letters: Letters
    identity: Identity
    zone: ZoneInfo
    diagnosis_detail: str = "category"

    def number_patients(self, patients: Sequence[Patient], at: datetime) -> list[PatientLine]:
        """Freeze what may be said about each patient, and number them from 1 in this order."""
        return [PatientLine(number, self.facts_about(patient, at)) for number, patient in enumerate(patients, start=1)]

    def facts_about(self, patient: Patient, at: datetime) -> dict[str, Any]:
        """What may be said about one patient, as `patient_facts` writes it."""
        return patient_facts(patient, at.astimezone(self.zone).date(), self.diagnosis_detail)

    def write_inquiry(self, therapist: Therapist, patients: Sequence[PatientLine], at: datetime) -> dict[str, Any]:
        """Write a new letter to `therapist`; returns column values of `Email`, the final bytes included.

        Raises BadInput or LetterNotRendered where the data or a template do not allow it.
        """
        return self._new("request", therapist, patients, at)

    def write_about(
        self, kind: str, earlier: EarlierEmail, therapist: Therapist, patients: Sequence[PatientLine], at: datetime
    ) -> dict[str, Any]:
        """Write a reminder (`follow_up`) of an earlier email, or a `confirmation`; `patients` as numbered there."""
        return self._new(kind, therapist, patients, at, earlier)

    def _new(
        self,
        kind: str,
        therapist: Therapist,
        patients: Sequence[PatientLine],
        at: datetime,
        earlier: EarlierEmail | None = None,
    ) -> dict[str, Any]:
        assert therapist.email is not None
        frozen = {
            "therapist_id": therapist.id,
            "language": therapist.language,
            "recipient_email": therapist.email,
            "recipient_name": name_on_envelope(addressee(therapist)),
            "mailbox": therapist.mailbox,
            "sender_email": self.identity.sender,
            "sender_name": self.identity.sender_name,
            "message_id": new_message_id(self.identity.sender),
            "reply_token": new_reply_token(),
            "dated": at,
        }
        return frozen | self._letter(kind, addressee(therapist), patients, frozen, earlier)

    def write_again(
        self, email: Email, patients: Sequence[PatientLine], earlier: EarlierEmail | None = None
    ) -> dict[str, Any]:
        """Write a waiting letter anew for the patients that are left: same Message-ID, Date, numbers and salutation.

        `earlier` is what it was told of the email that it speaks of.
        """
        assert email.template is not None
        frozen = {name: getattr(email, name) for name in _FROZEN}
        speaking = Addressee.frozen(email.language, email.salutation or "")
        return self._letter(email.template, speaking, patients, frozen, earlier)

    def _letter(
        self,
        kind: str,
        speaking: Addressee,
        patients: Sequence[PatientLine],
        frozen: dict[str, Any],
        earlier: EarlierEmail | None,
    ) -> dict[str, Any]:
        reply_to = reply_address(self.identity.reply_to, frozen["reply_token"])
        signing = replace(self.identity, sender=frozen["sender_email"], sender_name=frozen["sender_name"])
        rendered = self.letters.render(kind, speaking, patients, signing, reply_to=reply_to, earlier=earlier)
        return _columns(rendered) | {"raw": build_message(rendered, self._headers(rendered.language, frozen, reply_to))}

    def sign_personal(self, email: PersonalEmail, at: datetime) -> dict[str, Any]:
        """Make the final bytes of what a person wrote, with our headers and our end; it is dated `at`."""
        frozen = {name: getattr(email, name) for name in _FROZEN} | {"dated": at}
        reply_to = reply_address(self.identity.reply_to, frozen["reply_token"])
        signing = replace(self.identity, sender=frozen["sender_email"], sender_name=frozen["sender_name"])
        words = Parts(email.subject, email.body_html, email.body_text)
        signed = sign(self.letters, words, email.language, signing, reply_to)
        return {"dated": at, "raw": build_message(signed, self._headers(email.language, frozen, reply_to))}

    def _headers(self, language: str, frozen: dict[str, Any], reply_to: str) -> Headers:
        return Headers(
            message_id=frozen["message_id"],
            dated=frozen["dated"],
            sender=frozen["sender_email"],
            sender_name=frozen["sender_name"],
            recipient=frozen["recipient_email"],
            recipient_name=frozen["recipient_name"],
            reply_to=reply_to,
            unsubscribe=reply_address(self.identity.unsubscribe, frozen["reply_token"]),
            language=language,
        )


def addressee(therapist: Therapist) -> Addressee:
    """Whom a letter to this therapist speaks to."""
    return Addressee(
        language=therapist.language,
        salutation=therapist.salutation,
        title=therapist.title,
        first_name=therapist.first_name,
        last_name=therapist.last_name,
        practice_name=therapist.practice_name,
    )


def _columns(rendered: Rendered) -> dict[str, Any]:
    return {
        "subject": rendered.subject,
        "body_html": rendered.html,
        "body_text": rendered.text,
        "template": rendered.template,
        "template_version": rendered.version,
        "language": rendered.language,
        "salutation": rendered.salutation,
        "stale": False,
    }
