"""What a mail server saw, kept so that it outlives every kill."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One message that was ended by its dot: from which end, and under which TLS."""

    message_id: str
    recipients: tuple[str, ...]
    peer: str
    tls: str | None


def write_entry(journal: Path, entry: Entry) -> None:
    with journal.open("a") as file:
        file.write(json.dumps(asdict(entry)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_journal(journal: Path) -> list[Entry]:
    if not journal.exists():
        return []
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    return [Entry(**row | {"recipients": tuple(row["recipients"])}) for row in rows]
