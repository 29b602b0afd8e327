"""One event and what was said later about its subject: what of it is still news. Pure.

Events may come late. What they bring is then laid under what came before them, so that the end is as if all had come in
the order in which they happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comms.services.inbox.order import Word

STANDING = {"therapist.blocked": "gesperrt", "therapist.unblocked": "aktiv"}
"""Events that say how a therapist stands, in the words of the platform's facts."""

BRINGS_FACTS = {
    "therapist.created": "therapist_data",
    "therapist.updated": "therapist_data",
    "therapist.blocked": "therapist_data",
    "therapist.unblocked": "therapist_data",
    "patient.created": "patient_data",
    "patient.updated": "patient_data",
}


@dataclass(frozen=True)
class Told:
    """An event about the subject `id`; `later` has what was applied before it came."""

    id: int
    event_type: str
    payload: Mapping[str, Any]
    later: Sequence[Word] = ()

    @property
    def out_of_date(self) -> bool:
        """Whether everything that it says was said anew; facts may hold something that was not."""
        if self.event_type in BRINGS_FACTS:
            return any(word.event_type in BRINGS_FACTS for word in self.later)
        return any(word.event_type == self.event_type and _counts(word) for word in self.later)

    @property
    def facts(self) -> dict[str, Any]:
        """Its facts with later ones laid over them; None clears, but says nothing about a status."""
        found = _facts(self.event_type, self.payload)
        for word in self.later:
            said = _facts(word.event_type, word.payload)
            found |= {name: value for name, value in said.items() if name != "status" or value is not None}
        return found

    @property
    def stands(self) -> bool:
        """Whether it decides how its therapist stands: nothing later spoke of the status."""
        said = (_facts(word.event_type, word.payload).get("status") for word in self.later)
        return self.event_type in STANDING and not any(said)


def _facts(event_type: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    if event_type not in BRINGS_FACTS:
        return {}
    facts = dict(payload.get(BRINGS_FACTS[event_type]) or {})
    return facts | ({"status": STANDING[event_type]} if event_type in STANDING else {})


def _counts(word: Word) -> bool:
    """That a request is in progress is our own word, and it changed nothing."""
    return word.payload.get("new_status") != "in_bearbeitung"
