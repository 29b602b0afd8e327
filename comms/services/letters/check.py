"""Find what is wrong with templates before a therapist does."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from jinja2 import TemplateError

from comms.errors import BadInput, LetterNotRendered
from comms.rules.policy import Identity
from comms.rules.salutation import LANGUAGES, Addressee
from comms.services.letters.context import EarlierEmail, PatientLine
from comms.services.letters.render import TEMPLATES, Letters
from comms.services.letters.specimen import EARLIER, FULL, Specimen, make, patients_for
from comms.services.letters.templates import PARTS
from comms.services.letters.words import WORDS, fact_lines

_TAG = re.compile(r"<style>.*?</style>|<[^>]*>", re.DOTALL)


@dataclass(frozen=True, order=True)
class Fault:
    """`template` is a path as in the folder, without ending where both parts are meant."""

    template: str
    what: str


def check_letters(letters: Letters, identity: Identity) -> list[Fault]:
    """Render each template in each language, with minimal and full data, for one patient and several."""
    found = set(_unused(letters))
    for template, language in product(TEMPLATES, LANGUAGES):
        for addressee, patients, earlier in _cases(template, language):
            try:
                made = make(letters, template, addressee, patients, identity, earlier)
            except LetterNotRendered as error:
                found.add(Fault(f"{language}/{template}", error.what))
            except BadInput as error:
                found.add(Fault(f"{language}/{template}", str(error)))
            else:
                found.update(Fault(f"{language}/{template}.{part}", what) for part, what in _missing(made, identity))
    return sorted(found)


def _cases(template: str, language: str) -> Iterator[tuple[Addressee, list[PatientLine], EarlierEmail | None]]:
    minimal, full = Addressee(language), Addressee(language, "frau", "Dr.", "Andrea", "Müller", "Praxis am Park")
    counts = {"initial_contact": (1,), "batch_request": (2, 3)}.get(template, (1, 2, 3))
    for count in counts:
        yield minimal, patients_for(template, [{}] * count), None
        yield full, patients_for(template, FULL[:count]), EARLIER


def _missing(made: Specimen, identity: Identity) -> Iterator[tuple[str, str]]:
    """Say what a part should hold and does not, or should not and does."""
    shown = {"html": _plain(html.unescape(_TAG.sub(" ", made.rendered.html))), "txt": _plain(made.rendered.text)}
    for part, (what, text) in product(PARTS, _demands(made, identity)):
        if _plain(text) not in shown[part]:
            yield part, f"{what} is missing"
    for part in PARTS:
        if re.search(r"\bNone\b", shown[part]):
            yield part, "says None"


def _demands(made: Specimen, identity: Identity) -> list[tuple[str, str]]:
    words = WORDS[made.rendered.language]
    facts = [(f"the fact {label!r}", value) for p in made.patients for label, value in fact_lines(p.facts, words)]
    numbers = [("a patient's number", f"Patient {p.number}") for p in made.patients if len(made.patients) > 1]
    frame: Sequence[tuple[str, str]] = (
        ("the salutation", made.rendered.salutation),
        ("the legal footer", identity.legal_footer),
        ("the opt-out address", identity.unsubscribe),
    )
    return [*frame, *facts, *numbers]


def _unused(letters: Letters) -> Iterator[Fault]:
    """A file in the folder that replaces nothing and is used by nothing is a misspelt one."""
    folder = letters.templates.folder
    if folder is None:
        return
    used: set[str] = set()
    try:
        for template, language in product(TEMPLATES, LANGUAGES):
            used.update(letters.templates.sources(template, language))
    except TemplateError:  # cannot be read, so nobody knows what it uses; rendering it says why
        return
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".html", ".txt") and name not in used:
            yield Fault(name, "replaces no template and is used by none")


def _plain(text: str) -> str:
    return " ".join(text.split())
