"""Subject, HTML and text of a letter, from frozen facts and templates that a folder may replace."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import css_inline
from jinja2 import TemplateError, TemplateRuntimeError

from comms.errors import BadInput, LetterNotRendered
from comms.rules.policy import Identity
from comms.rules.salutation import Addressee, greeting
from comms.services.letters.context import EarlierEmail, PatientLine, common, patient_views
from comms.services.letters.templates import PARTS, Templates, explain
from comms.services.letters.words import WORDS

KINDS = ("request", "follow_up", "confirmation")
TEMPLATES = ("initial_contact", "batch_request", "follow_up", "confirmation")
LONGEST_SUBJECT = 300
WIDTH = 72
"""Columns of the text part."""

_GAPS = re.compile(r"\n{3,}")
_SMALL = "margin-top: 24px; padding-top: 16px; border-top: 1px solid #dfe3de; font-size: 13px; color: #55645f"
_FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, OSError)
"""What a template written by somebody else can raise."""


@dataclass(frozen=True)
class Rendered:
    """What a letter says; `template` and `version` name what it was made with, `salutation` is its first line."""

    subject: str
    html: str
    text: str
    template: str
    version: str
    language: str
    salutation: str


def template_for(kind: str, count: int) -> str:
    """Choose the template. `kind` is one of KINDS, or the template's name stored with an email that is made again."""
    if kind in ("request", "initial_contact", "batch_request"):
        return "initial_contact" if count == 1 else "batch_request"
    if kind not in KINDS:
        raise BadInput(f"unknown; use one of {', '.join(KINDS)}", where="kind of letter")
    return kind


class Letters:
    """The templates, read once; a file in `folder` replaces the package's of that name. Threads may share it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.templates = Templates(folder)
        self._inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def render(
        self,
        kind: str,
        addressee: Addressee,
        patients: Sequence[PatientLine],
        identity: Identity,
        *,
        reply_to: str,
        earlier: EarlierEmail | None = None,
    ) -> Rendered:
        """Write a letter about `patients`, in their order; the same input gives the same letter.

        `reply_to` is the address with the letter's token. Raises LetterNotRendered when a template is at fault.
        """
        if not patients:
            raise BadInput("a letter needs at least one patient", where="patients")
        language = addressee.language if addressee.language in WORDS else "de"
        words, before, line = WORDS[language], earlier or EarlierEmail(), greeting(addressee)
        template = template_for(kind, len(patients))
        known = common(words, line, len(patients), identity, reply_to, before)
        numbered = len(patients) > 1 or before.numbered
        try:
            subject = self._subject(template, language, known)
            views = patient_views(patients, words, reply_to, subject, numbered)
            html, text = self._parts(template, language, known | {"subject": subject, "patients": views})
            version = self.templates.version(template, language)
        except _FAULTS as error:
            raise LetterNotRendered(f"{language}/{template}", explain(error)) from error
        return Rendered(subject, html, text, template, version, language, line)

    def ending(self, language: str, identity: Identity, reply_to: str) -> tuple[str, str]:
        """Say how to object and who writes, in HTML and in text: the end of a letter whose words are a person's."""
        known = common(WORDS[language], "", 1, identity, reply_to, EarlierEmail())
        try:
            optout = [self.templates.block(self.templates.get("letter", language, p), "optout", known) for p in PARTS]
        except _FAULTS as error:
            raise LetterNotRendered(f"{language}/letter", explain(error)) from error
        lines = known["legal_footer"]
        html = f'<div style="{_SMALL}">{optout[0]}<p>{"<br>".join(map(escape, lines))}</p></div>'
        return html, _tidy("\n".join(["-" * WIDTH, optout[1].strip(), "", *lines]))

    def _subject(self, template: str, language: str, known: dict[str, Any]) -> str:
        source = self.templates.get(template, language, "txt")
        subject = " ".join(self.templates.block(source, "subject", known).split())
        if not 0 < len(subject) <= LONGEST_SUBJECT:
            raise TemplateRuntimeError(f"the block 'subject' must have 1 to {LONGEST_SUBJECT} characters")
        return subject

    def _parts(self, template: str, language: str, known: dict[str, Any]) -> tuple[str, str]:
        html = self.templates.get(template, language, "html").render(known)
        text = self.templates.get(template, language, "txt").render(known)
        return self._inliner.inline(html), _tidy(text)


def _tidy(text: str) -> str:
    """Fill long lines, and take away the empty lines which blocks that stay empty leave behind."""
    lines = "\n".join(_filled(line.rstrip()) for line in text.splitlines())
    return _GAPS.sub("\n\n", lines).strip() + "\n"


def _filled(line: str) -> str:
    """Break a paragraph at blanks; an indented line goes on further in. What has no blank stays whole."""
    if len(line) <= WIDTH:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    lines, current = [], indent + line.split()[0]
    for word in line.split()[1:]:
        if len(current) + 1 + len(word) <= WIDTH:
            current += f" {word}"
        else:
            lines.append(current)
            current = f"{indent * 2}{word}"
    return "\n".join([*lines, current])
