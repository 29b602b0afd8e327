"""CSV as spreadsheets write it: comma, semicolon or tab; quoted cells may hold line breaks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from comms.errors import BadInput
from comms.services.intake.names import column_of
from comms.services.intake.recognise import kind_of_fields
from comms.services.intake.records import Kind, Record

_DELIMITERS = (";", ",", "\t")


@dataclass(frozen=True)
class _Cells:
    """One row; `line` is where it begins, `lines` how many physical lines it takes; a fault instead of cells."""

    line: int
    lines: int
    cells: Sequence[str] = ()
    fault: str | None = None


def read_csv(text: str, name: str, kind: Kind | None) -> Iterator[Record]:
    """Read the rows below the header; BadInput when there is no header that names our fields.

    An empty cell is a fact that is not known (null), a missing column one that was not given.
    """
    lines = _without_sep(io.StringIO(text, newline="").readlines())
    delimiter = max(_DELIMITERS, key=lambda mark: _known_columns(_header(lines, mark), kind))
    header = _header(lines, delimiter)
    found = kind or kind_of_fields(header)
    if found is None or not _known_columns(header, found):
        raise BadInput("the first line names no field that is known here", where=name)
    return _records(lines, delimiter, header, name, found)


def _without_sep(lines: list[str]) -> list[str]:
    """Blank the `sep=;` line that one spreadsheet writes before its header."""
    return ["\n", *lines[1:]] if lines[0].strip().lower() in ("sep=;", "sep=,", "sep=\t", "sep=") else lines


def _header(lines: Sequence[str], delimiter: str) -> list[str]:
    try:
        first = next(row for row in csv.reader(lines, delimiter=delimiter) if any(row))
    except (csv.Error, StopIteration):
        return []
    width = max(index for index, cell in enumerate(first, start=1) if cell)
    return [cell.strip() for cell in first[:width]]


def _known_columns(header: Sequence[str], kind: Kind | None) -> int:
    kinds = [kind] if kind else list(Kind)
    return max(sum(column_of(one, cell) is not None for cell in header) for one in kinds)


def _records(lines: Sequence[str], delimiter: str, header: list[str], name: str, kind: Kind) -> Iterator[Record]:
    doubled = len(set(header) - {""}) < sum(1 for cell in header if cell)
    rows = _rows(lines, delimiter, len(header))
    next(rows)  # the header
    for row in rows:
        place = f"{name}, line {row.line}"
        fault = "field_given_twice" if doubled else row.fault
        if fault:
            yield Record(kind, place, fault=fault)
        else:
            pairs = zip(header, row.cells, strict=False)
            yield Record(kind, place, {cell: value or None for cell, value in pairs if cell})


def _rows(lines: Sequence[str], delimiter: str, width: int) -> Iterator[_Cells]:
    """Read row by row; after a faulty one go on with the very next line, so that an open quote eats no others."""
    at = 0
    while at < len(lines):
        for row in _read_from(lines, at, delimiter, width):
            if any(cell.strip() for cell in row.cells) or row.fault:
                yield row
            at = row.line - 1 + (1 if row.fault else row.lines)
            if row.fault:
                break


def _read_from(lines: Sequence[str], at: int, delimiter: str, width: int) -> Iterator[_Cells]:
    reader = csv.reader((lines[index] for index in range(at, len(lines))), delimiter=delimiter, strict=True)
    while True:
        line, before = at + reader.line_num + 1, reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield _Cells(line, 1, fault="malformed_quotes")
            return
        spare = any(cell.strip() for cell in cells[width:])
        if any(cells) and (spare or len(cells) < width):
            yield _Cells(line, 1, cells, "wrong_number_of_columns")
        else:
            yield _Cells(line, reader.line_num - before, cells[:width])
