"""Letters whose words a person wrote: they end as every letter of ours does."""

from __future__ import annotations

from typing import Protocol

from comms.rules.policy import Identity
from comms.services.letters.hypertext import with_end
from comms.services.letters.message import Parts
from comms.services.letters.render import Letters


class PersonalEmail(Protocol):
    """The columns of an email whose words are a person's."""

    @property
    def language(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def body_html(self) -> str: ...
    @property
    def body_text(self) -> str: ...


def sign(letters: Letters, written: Parts, language: str, identity: Identity, reply_to: str) -> Parts:
    """Put the opt-out line and the legal footer under both parts; the person's own words stay as they are."""
    html, text = letters.ending(language, identity, reply_to)
    return Parts(written.subject, with_end(written.html, html), f"{written.text.rstrip()}\n\n{text}")
