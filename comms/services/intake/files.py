"""Reading a file into records with their place: encoding and format are found out, not asked for."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from comms.errors import BadInput
from comms.services.intake.csv_rows import read_csv
from comms.services.intake.json_rows import read_json
from comms.services.intake.recognise import kind_of_file
from comms.services.intake.records import Kind, Record

_JSON_NAMES = (".json", ".jsonl", ".ndjson")
_CSV_NAMES = (".csv", ".tsv", ".txt")


def read_file(path: Path, kind: Kind | None = None) -> Iterator[Record]:
    """Read the rows of a JSON, JSON lines or CSV file; `kind` overrules what name and fields say.

    BadInput when the file as a whole cannot be read; a row that cannot be read comes as a record with a fault.
    """
    text = _decode(path)
    known = kind or kind_of_file(path.stem)
    if _is_json(path, text):
        return read_json(text, path.name, known)
    return read_csv(text, path.name, known)


def _is_json(path: Path, text: str) -> bool:
    if path.suffix.lower() in _JSON_NAMES + _CSV_NAMES:
        return path.suffix.lower() in _JSON_NAMES
    return text.lstrip()[:1] in ("[", "{")


def _decode(path: Path) -> str:
    """UTF-8 with or without BOM, UTF-16 with one, else cp1252 as German spreadsheets write it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be opened ({error.strerror})", where=path.name) from error
    if not content.strip():
        raise BadInput("the file is empty", where=path.name)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadInput("neither UTF-8, UTF-16 with a byte order mark, nor cp1252", where=path.name)
