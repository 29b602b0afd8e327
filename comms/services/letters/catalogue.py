"""Which letters there are, what each is for, and which version of it would be sent now."""

from __future__ import annotations

from dataclasses import dataclass

from comms.errors import NotFound
from comms.rules.policy import Identity
from comms.rules.salutation import LANGUAGES
from comms.services.letters.render import TEMPLATES, Letters
from comms.services.letters.specimen import Specimen, preview

PURPOSES = {
    "initial_contact": "Asks a therapist about one patient.",
    "batch_request": "Asks a therapist about two or more patients at once.",
    "follow_up": "Reminds of an inquiry without an answer; a person sends it, and it counts as a contact.",
    "confirmation": "Confirms what a therapist accepted; as a reply it stands outside the contact rule.",
}


@dataclass(frozen=True)
class Wording:
    """A template in one language. `version` changes with every file and word behind it."""

    language: str
    version: str
    subject: str


@dataclass(frozen=True)
class TemplateCard:
    name: str
    purpose: str
    languages: tuple[Wording, ...]


def list_templates(letters: Letters, identity: Identity) -> list[TemplateCard]:
    """Render every letter about nobody; LetterNotRendered where a template is at fault."""
    return [TemplateCard(name, PURPOSES[name], _wordings(letters, name, identity)) for name in TEMPLATES]


def _wordings(letters: Letters, name: str, identity: Identity) -> tuple[Wording, ...]:
    made = (preview(letters, name, language, identity).rendered for language in LANGUAGES)
    return tuple(Wording(rendered.language, rendered.version, rendered.subject) for rendered in made)


def preview_template(letters: Letters, name: str, language: str, identity: Identity) -> Specimen:
    """Make a letter about nobody; NotFound for a template that there is not."""
    if name not in TEMPLATES:
        raise NotFound("template", f"of this name; there are {', '.join(TEMPLATES)}")
    return preview(letters, name, language, identity)
