"""What clients asked and what they were told, written down line by line and synced: it outlives whoever is killed."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Told(StrEnum):
    OK = "ok"
    """It was done."""
    FAILED = "failed"
    """It was not done, and nothing of it was."""
    UNKNOWN = "unknown"
    """No answer came, or none that says which."""


@dataclass
class Answer:
    """What the client was told. `subject` names the effect; where the answer names it, it is set then."""

    subject: str
    told: Told = Told.UNKNOWN


@dataclass(frozen=True)
class Asked:
    """One question with its end."""

    what: str
    subject: str
    told: Told


class History:
    """One file for as many clients and processes as there are."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def asking(self, what: str, subject: str) -> Iterator[Answer]:
        """Write the question before it is asked and the answer once it is known; an exception leaves it unknown."""
        question, answer = uuid.uuid4().hex, Answer(subject)
        self._write(question, what, answer)
        try:
            yield answer
        finally:
            self._write(question, what, answer)

    def read(self) -> list[Asked]:
        """Every question with the last that is known of it."""
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        last = {line["question"]: line for line in map(json.loads, lines)}
        return [Asked(line["what"], line["subject"], Told(line["told"])) for line in last.values()]

    def _write(self, question: str, what: str, answer: Answer) -> None:
        line = json.dumps({"question": question, "what": what, "subject": answer.subject, "told": answer.told})
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(file, f"{line}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
