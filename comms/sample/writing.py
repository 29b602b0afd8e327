"""The sample as files that `comms import` takes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from comms.sample.data import Row, SampleData


def write_sample(data: SampleData, folder: Path) -> list[Path]:
    """Write one JSON file per kind, a row a line; the folder is made if need be, files are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{part.name}.json", getattr(data, part.name)) for part in fields(data)]


def _write(path: Path, rows: Iterable[Row]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for index, row in enumerate(rows):
            file.write((",\n" if index else "[\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")
    return path
