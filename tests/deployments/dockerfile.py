"""The Dockerfile, read: its stages, each with its instructions."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field

from tests.deployments.compose import TOP

PATH = TOP / "deployments" / "Dockerfile"


@dataclass
class Stage:
    """`instructions` are pairs like ("RUN", "python -m venv /opt/comms"), in their order."""

    name: str | None
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [text for found, text in self.instructions if found == keyword]

    def environment(self) -> dict[str, str]:
        """What its ENV lines set, without filling in variables."""
        return dict(pair.split("=", 1) for text in self.all("ENV") for pair in shlex.split(text))

    def health_check(self) -> list[str]:
        """The command of its last HEALTHCHECK."""
        command: list[str] = json.loads(self.all("HEALTHCHECK")[-1].partition("CMD ")[2])
        return command


def stages() -> list[Stage]:
    """Read the file. What stands before the first stage is left out."""
    found: list[Stage] = []
    for line in _logical_lines(PATH.read_text()):
        keyword, text = line.split(maxsplit=1)
        if keyword == "FROM":
            found.append(Stage(text.partition(" AS ")[2] or None))
        elif found:
            found[-1].instructions.append((keyword, text))
    return found


def _logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text))
    return [line for line in joined.splitlines() if line.strip()]
