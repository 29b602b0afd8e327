"""Reading files: what is in them, where it stands, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.errors import BadInput
from comms.services.intake import Kind, Record, read_file
from comms.services.intake.csv_rows import read_csv
from comms.services.intake.json_rows import read_json

CSV = "id;Nachname;PLZ;Ort\n1;Müller;01067;Dresden\n2;Groß;10115;Berlin\n"


def read(path: Path, content: str | bytes, kind: Kind | None = None) -> list[Record]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_file(path, kind))


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        b"\xef\xbb\xbf" + CSV.encode(),
        CSV.encode("cp1252"),
        CSV.encode("utf-16"),
        CSV.replace(";", ",").encode(),
        CSV.replace(";", "\t").encode(),
        CSV.replace("\n", "\r\n").encode("cp1252"),
        ("sep=;\n" + CSV).encode(),
        CSV.replace("Ort", "Ort;;").encode(),
        CSV.replace("Dresden", "Dresden;;").encode(),
        CSV.replace("\n2", "\n\n;;;\n2").encode(),
        CSV.replace("Müller", '"Müller"').encode(),
    ],
    ids=["utf-8", "bom", "cp1252", "utf-16", "comma", "tab", "crlf", "sep", "wide header", "spare", "blank", "quoted"],
)
def test_csv_is_read_however_a_spreadsheet_writes_it(tmp_path: Path, content: bytes) -> None:
    records = read(tmp_path / "therapeuten.csv", content)

    assert [(r.kind, r.fault, dict(r.fields)) for r in records] == [
        (Kind.THERAPISTS, None, {"id": "1", "Nachname": "Müller", "PLZ": "01067", "Ort": "Dresden"}),
        (Kind.THERAPISTS, None, {"id": "2", "Nachname": "Groß", "PLZ": "10115", "Ort": "Berlin"}),
    ]


def test_a_cell_may_hold_line_breaks_and_places_name_the_line_where_a_row_begins(tmp_path: Path) -> None:
    content = 'id,patient_id,therapist_id,notes\n1,2,3,"one\ntwo; ""three"""\n4,5,6,\n'

    first, second = read(tmp_path / "x.csv", content)

    assert first.fields["notes"] == 'one\ntwo; "three"'
    assert (first.place, second.place) == ("x.csv, line 2", "x.csv, line 4")
    assert second.fields["notes"] is None


def test_an_open_quote_refuses_its_line_and_swallows_no_other(tmp_path: Path) -> None:
    content = 'id;Nachname\n1;"Müller\n2;Groß\n3;"Klein"\n4;Weiß\n'

    records = read(tmp_path / "therapists.csv", content)

    assert [(r.place[-1], r.fault) for r in records] == [
        ("2", "malformed_quotes"),
        ("3", None),
        ("4", None),
        ("5", None),
    ]


@pytest.mark.parametrize("line", ["1;Müller;x;y", "1", '1;"Mü"ller'])
def test_a_row_of_another_shape_is_refused_and_the_next_is_read(tmp_path: Path, line: str) -> None:
    records = read(tmp_path / "therapists.csv", f"id;Nachname\n{line}\n2;Groß\n")

    assert [r.fault is None for r in records] == [False, True]


def test_every_faulty_line_of_a_long_file_is_found_quickly(tmp_path: Path) -> None:
    records = read(tmp_path / "therapists.csv", "id;Nachname\n" + "1;a;b\n" * 20_000)

    assert len(records) == 20_000
    assert {r.fault for r in records} == {"wrong_number_of_columns"}


@pytest.mark.parametrize(
    ("name", "content", "kinds"),
    [
        ("therapists.json", '[{"id": 1}, {"id": 2}]', [Kind.THERAPISTS] * 2),
        ("Patienten_2026.json", '[{"id": 1}]', [Kind.PATIENTS]),
        ("platzanfragen.json", '[{"id": 1}]', [Kind.PLACEMENT_REQUESTS]),
        ("x.json", '[{"id": 1, "patient_id": 2, "therapist_id": 3}]', [Kind.PLACEMENT_REQUESTS]),
        ("x.json", '[{"id": 1, "nachname": "A"}, {"id": 2, "diagnose": "F32"}]', [Kind.THERAPISTS, Kind.PATIENTS]),
        ("x.json", '[{"id": 1, "nachname": "A", "geburtsdatum": null}]', [Kind.PATIENTS]),
        ("x.json", '{"therapists": [{"id": 1}], "patients": [], "placementRequests": [{"id": 2}]}',
         [Kind.THERAPISTS, Kind.PLACEMENT_REQUESTS]),
        ("x.json", '{"Therapeuten": [{"id": 1}], "Platzanfragen": [{"id": 2}]}',
         [Kind.THERAPISTS, Kind.PLACEMENT_REQUESTS]),
        ("patients_of_therapists.json", '[{"id": 1, "krankenkasse": "AOK"}]', [Kind.PATIENTS]),
        ("x.jsonl", '{"id": 1, "nachname": "A"}\n\n{"id": 2, "nachname": "B"}\n', [Kind.THERAPISTS] * 2),
        ("x.json", '{"id": 1, "nachname": "A"}\r\n{"id": 2, "nachname": "B"}', [Kind.THERAPISTS] * 2),
        ("patients.data", '[{"id": 1}]', [Kind.PATIENTS]),
        ("therapists.json", '{"id": 1}', [Kind.THERAPISTS]),
        ("therapists.json", "[]", []),
    ],
)  # fmt: skip
def test_the_kind_is_told_by_the_name_or_the_fields(tmp_path: Path, name: str, content: str, kinds: list[Kind]) -> None:
    assert [r.kind for r in read(tmp_path / name, content)] == kinds


def test_the_kind_can_be_forced(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "therapists.csv", "id;Ort\n1;Berlin\n", Kind.THERAPISTS)

    assert record.kind is Kind.THERAPISTS


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ('[{"id": 1}, 7, null, [], "x"]', [None] + ["not_an_object"] * 4),
        ('[{"id": 1, "id": 2}]', ["field_given_twice"]),
        ('{"therapists": {"id": 1}, "others": []}', ["not_a_list", "kind_unknown"]),
        ('{"therapists": [{"id": 1}], "therapists": [{"id": 2}]}', [None, None]),
        ('{"id": 1}\nnonsense\n{"id": 2}', [None, "not_json", None]),
        ('{"id": 1}\n' + "[" * 100_000 + '\n{"id": 2}', [None, "not_json", None]),
        ("7", ["not_an_object"]),
    ],
    ids=range(7),
)
def test_a_row_that_is_none_is_a_fault_of_its_own(tmp_path: Path, content: str, faults: list[str | None]) -> None:
    assert [r.fault for r in read(tmp_path / "therapists.json", content)] == faults


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.json", b"", "empty"),
        ("x.csv", b" \n", "empty"),
        ("therapists.json", b'[{"id": 1},]', "not JSON: line 1, column 1"),
        ("therapists.json", b'[{"id": 1}', "not JSON"),
        ("therapists.json", b"[" * 100_000, "nested too deeply"),
        ("therapists.json", b'{"id": \x00}', "not JSON"),
        ("x.csv", b"1;2;3\n4;5;6\n", "first line names no field"),
        ("therapists.csv", b"a;b\n1;2\n", "first line names no field"),
        ("x.csv", b"\x81\x8d\x8f;\x90", "cp1252"),
        ("x.csv", b"\xff\xfe\x00", "UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_names_itself(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        read(tmp_path / name, content)

    assert caught.value.where == name


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(BadInput, match="cannot be opened"):
            read_file(path)


@given(st.text(max_size=200))
def test_no_text_breaks_the_csv_reader(text: str) -> None:
    content = "id;Nachname\n" + text
    try:
        records = list(read_csv(content, "x.csv", Kind.THERAPISTS))
    except BadInput:
        return
    assert all(r.kind is Kind.THERAPISTS for r in records)


@given(st.text(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_text_breaks_the_json_reader(text: str) -> None:
    try:
        list(read_json(text, "x.json", None))
    except BadInput:
        return


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20)


@given(st.lists(st.tuples(st.integers(1, 9999), _CELL, _CELL), max_size=8), st.sampled_from(";,\t"))
def test_what_the_csv_writer_wrote_is_read_back(rows: list[tuple[int, str, str]], delimiter: str) -> None:
    import csv
    import io

    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([("id", "nachname", "ort"), *rows])

    found = list(read_csv(out.getvalue(), "x.csv", Kind.THERAPISTS))

    assert [(r.fields["id"], r.fields["nachname"] or "", r.fields["ort"] or "") for r in found] == [
        (str(id_), name, town) for id_, name, town in rows
    ]
