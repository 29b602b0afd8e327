"""Phone hours in every notation, and in shapes that nobody can read."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.rules.availability import Availability, read_availability
from comms.rules.hours import WEEKDAYS, write_time

NINE_TO_TWELVE = {"monday": [("09:00", "12:00")]}

NOTATIONS: list[Any] = [
    {"monday": [{"start": "09:00", "end": "12:00"}]},
    {"montag": [{"von": "09:00", "bis": "12:00"}]},
    {"Mo": ["09:00-12:00"]},
    {"Mo.": ["9:00 – 12:00"]},
    {"MON": "9-12"},
    {"Montags": ["9 bis 12 Uhr"]},
    {" monday ": ["von 9.00 Uhr bis 12.00 Uhr"]},
    {"mon.": ["09:00—12:00"]},
    {"mo": [["09:00", "12:00"]]},
    {"mo": [("09:00", "12:00")]},
    {"mo": {"start": "9", "end": "12"}},
    {"mo": {"START": "09:00", "End": "12:00"}},
    {"mo": [{"from": "09:00", "to": "12:00"}]},
    {"mo": ["09:00:00-12:00:00"]},
    {"mo": ["9h-12h"]},
    {"Mo": ["09:00-10:00", "10:00-12:00"]},
    {"Mo": ["09:00-11:00", "10:00-12:00"]},
    {"Mo": ["10:00-12:00", "09:00-10:30"]},
    {"Mo": ["09:00-12:00", "09:30-10:00"]},
    {"Mo": "9-10, 10-12"},
    {"Mo": "9-10 und 10-12"},
    {"Mo": ["08:56-12:00"]},
    {"Mo": ["09:00-12:00"], "Di": [], "Mi": None},
    {"Mo": ["09:00-11:00"], "Monday": ["11:00-12:00"]},
    {"Ｍｏ": ["０９：００-１２：００"]},
    '{"monday": ["09:00-12:00"]}',
    '\ufeff {"Mo": [{"start": "09:00", "end": "12:00"}]}',
    '{"Mo": ["09:00-10:00"], "Mo": ["10:00-12:00"]}',
    "Mo 9-12",
    "Montag: 09:00 - 12:00 Uhr",
    "Mo 9-10 und 10-12",
    "montags von 9 bis 12 Uhr",
    "Mo9-12",
]


@pytest.mark.parametrize("given_", NOTATIONS, ids=range(len(NOTATIONS)))
def test_every_notation_of_monday_nine_to_twelve_is_read(given_: Any) -> None:
    assert read_availability(given_) == Availability(NINE_TO_TWELVE, [])


@pytest.mark.parametrize(
    ("name", "day"),
    [
        (name, day)
        for day, names in zip(
            WEEKDAYS,
            [
                "Monday MON Montag Mo Mo.",
                "tuesday tue tues. Dienstag di DI.",
                "wednesday wed Mittwoch mi mittwochs",
                "thursday thu thurs Donnerstag Do do.",
                "friday fri Freitag FR freitags",
                "saturday sat Samstag sonnabend Sa sa.",
                "sunday sun Sonntag so SO.",
            ],
            strict=True,
        )
        for name in names.split()
    ],
)
def test_weekdays_are_known_long_and_short_in_both_languages(name: str, day: str) -> None:
    assert list(read_availability({name: ["9-12"]}).windows) == [day]


def test_weekdays_come_out_in_their_order() -> None:
    assert list(read_availability({"So": "9-10", "Mi": "9-10", "Mo": "9-10"}).windows) == [
        "monday",
        "wednesday",
        "sunday",
    ]


def test_twenty_four_hundred_is_the_end_of_the_day() -> None:
    assert read_availability({"Mo": ["22:00-24:00"]}).windows == {"monday": [("22:00", "24:00")]}


def test_a_gap_keeps_two_windows_apart() -> None:
    assert read_availability({"Mo": ["9-12", "13-14"]}).windows == {"monday": [("09:00", "12:00"), ("13:00", "14:00")]}


def test_windows_that_touch_off_the_grid_are_one_before_starts_are_rounded() -> None:
    assert read_availability({"Mo": ["9:00-10:03", "10:03-11:00"]}).windows == {"monday": [("09:00", "11:00")]}


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("Mo 9-12, Mi 14-16:30", {"monday": [("09:00", "12:00")], "wednesday": [("14:00", "16:30")]}),
        ("Mo-Mi 10:00-10:25", {day: [("10:00", "10:25")] for day in ("monday", "tuesday", "wednesday")}),
        ("Fr-Mo 9-10", {day: [("09:00", "10:00")] for day in ("monday", "friday", "saturday", "sunday")}),
        ("Mo, Mi 9-10 und 14-15; Fr 8-9", {
            "monday": [("09:00", "10:00"), ("14:00", "15:00")],
            "wednesday": [("09:00", "10:00"), ("14:00", "15:00")],
            "friday": [("08:00", "09:00")],
        }),
        ("Mo/Mi 9-10\nDo bis Fr 8 bis 9 Uhr", {
            "monday": [("09:00", "10:00")],
            "wednesday": [("09:00", "10:00")],
            "thursday": [("08:00", "09:00")],
            "friday": [("08:00", "09:00")],
        }),
    ],
)  # fmt: skip
def test_sentences_are_read(text: str, windows: Any) -> None:
    found = read_availability(text)
    assert found.windows == windows
    assert found.faults == []


@pytest.mark.parametrize("nothing", [None, "", "  ", {}, "{}", {"Mo": []}, {"Mo": None}])
def test_no_hours_are_no_fault(nothing: Any) -> None:
    assert read_availability(nothing).faults == []


MALFORMED: list[tuple[Any, str]] = [
    (7, "hours: not_a_mapping"),
    (True, "hours: not_a_mapping"),
    (["Mo 9-12"], "hours: not_a_mapping"),
    (b"Mo 9-12", "hours: not_a_mapping"),
    ("[]", "hours: not_a_mapping"),
    ('"Mo 9-12"', "hours: not_a_mapping"),
    ("{", "hours: not_json"),
    ('{"Mo": ["9-12"]', "hours: not_json"),
    ("{'Mo': ['9-12']}", "hours: not_json"),
    ('{"Mo": ' * 5000, "hours: too_long"),
    ("[" * 19_000, "hours: not_json"),
    ('{"Mo": ' + "9" * 5000 + "}", "hours: not_json"),
    ("x" * 30_000, "hours: too_long"),
    ("nach Vereinbarung", "part 1: unknown_weekday"),
    ("9-12", "part 1: unknown_weekday"),
    ("nicht Mo 9-12", "part 1: unknown_weekday"),
    ("Mo", "monday: no_hours"),
    ("Mo 9-12, Mi", "wednesday: no_hours"),
    ("Mo nach Vereinbarung", "part 1: not_a_window"),
    ("Mo 9-12 außer in den Ferien", "part 1: not_a_window"),
    ({"Montach": ["9-12"]}, "entry 1: unknown_weekday"),
    ({"": ["9-12"]}, "entry 1: unknown_weekday"),
    ({1: ["9-12"]}, "entry 1: unknown_weekday"),
    ({"Mo": ["9-12"], "Feiertag": ["9-12"]}, "entry 2: unknown_weekday"),
    ({"Mo": ["12:00-09:00"]}, "monday[0]: end_before_start"),
    ({"Mo": ["09:00-09:00"]}, "monday[0]: end_before_start"),
    ({"Mo": ["9-10", "22:00-00:00"]}, "monday[1]: end_before_start"),
    ({"Mo": [{"start": "12:00", "end": "09:00"}]}, "monday[0]: end_before_start"),
    ({"Mo": ["25:00-26:00"]}, "monday[0]: not_a_time"),
    ({"Mo": ["09:60-12:00"]}, "monday[0]: not_a_time"),
    ({"Mo": ["24:00-24:00"]}, "monday[0]: not_a_time"),
    ({"Mo": ["23:00-24:30"]}, "monday[0]: not_a_time"),
    ({"Mo": [{"start": 9, "end": 12}]}, "monday[0]: not_a_time"),
    ({"Mo": [{"start": None, "end": "12:00"}]}, "monday[0]: not_a_time"),
    ({"Mo": [{"start": "bald", "end": "12:00"}]}, "monday[0]: not_a_time"),
    ({"Mo": [{"start": "09:00"}]}, "monday[0]: not_a_window"),
    ({"Mo": [{"start": "09:00", "bis": "12:00"}]}, "monday[0]: not_a_window"),
    ({"Mo": [{"start": "9", "START": "10", "end": "12"}]}, "monday[0]: named_twice"),
    ({"Mo": ["9-12", "09:00"]}, "monday[1]: not_a_window"),
    ({"Mo": ["9-"]}, "monday[0]: not_a_window"),
    ({"Mo": ["9-12-14"]}, "monday[0]: not_a_window"),
    ({"Mo": ["9:5-12"]}, "monday[0]: not_a_window"),
    ({"Mo": ["-9-12"]}, "monday[0]: not_a_window"),
    ({"Mo": [""]}, "monday[0]: not_a_window"),
    ({"Mo": ["geschlossen"]}, "monday[0]: not_a_window"),
    ({"Mo": ["9 am - 12 pm"]}, "monday[0]: not_a_window"),
    ({"Mo": ["٩-١٢"]}, "monday[0]: not_a_window"),
    ({"Mo": ["9" * 10_000]}, "monday[0]: not_a_window"),
    ({"Mo": [["09:00", "12:00", "14:00"]]}, "monday[0]: not_a_window"),
    ({"Mo": [9]}, "monday[0]: not_a_window"),
    ({"Mo": [[]]}, "monday[0]: not_a_window"),
    ({"Mo": False}, "monday[0]: not_a_window"),
    ({"Mo": ["09:01-09:04"]}, "monday: too_short"),
    ({"Mo": ["23:56-24:00"]}, "monday: too_short"),
    ({"Mo": ["<script>alert(1)</script>"]}, "monday[0]: not_a_window"),
    ({"Mo": ["9\x00-12"]}, "monday[0]: not_a_window"),
]


@pytest.mark.parametrize(("given_", "fault"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_cannot_be_read_is_a_fault_with_its_place(given_: Any, fault: str) -> None:
    assert read_availability(given_).faults == [fault]


def test_there_are_at_least_forty_malformed_shapes() -> None:
    assert len(MALFORMED) >= 40


@pytest.mark.parametrize(
    "given_",
    [
        {"Mo": ["9-12", "kaputt"]},
        {"Mo": ["9-12"], "Montach": ["9-12"]},
        {"Mo": "9-12, 14-13"},
        {"Mo": ["9-12", {"start": "x", "end": "y"}]},
        "Mo 9-12, Di irgendwann",
    ],
)
def test_the_rest_is_still_read(given_: Any) -> None:
    found = read_availability(given_)
    assert found.windows == NINE_TO_TWELVE
    assert len(found.faults) == 1


def test_hours_after_an_unreadable_part_do_not_fall_to_the_wrong_day() -> None:
    assert read_availability("Mo 9-12, Di?, 14-16").windows == NINE_TO_TWELVE


def test_faults_never_repeat_what_was_written() -> None:
    found = read_availability(
        {"Frau Müller": ["9-12"], "Mo": ["Handy 0171 2345"], "Di": [{"start": "geheim", "end": "9"}]}
    )
    assert found.faults == ["entry 1: unknown_weekday", "monday[0]: not_a_window", "tuesday[0]: not_a_time"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=12,
    )
)
def test_nothing_makes_it_raise(given_: Any) -> None:
    read_availability(given_)
    read_availability(json.dumps(given_))


@given(st.text(alphabet="modifr 0123456789:-,;./und–", max_size=40))
def test_no_sentence_makes_it_raise_and_windows_are_always_canonical(text: str) -> None:
    for windows in read_availability(text).windows.values():
        assert all(start < end for start, end in windows)
        assert all(one[1] < other[0] for one, other in pairwise(windows))


@given(
    st.dictionaries(
        st.sampled_from(WEEKDAYS),
        st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1440)), max_size=4),
        max_size=4,
    )
)
def test_reading_what_was_read_changes_nothing(minutes: dict[str, list[tuple[int, int]]]) -> None:
    given_ = {day: [[write_time(a), write_time(b)] for a, b in pairs] for day, pairs in minutes.items()}
    once = read_availability(given_)
    again = read_availability(json.dumps(once.windows))
    assert again.windows == once.windows
    assert again.faults == []


@given(st.lists(st.tuples(st.integers(0, 1435), st.integers(5, 300)), max_size=6))
def test_windows_hold_exactly_the_minutes_that_were_given(spans: list[tuple[int, int]]) -> None:
    """Oracle: paint every minute, then drop those before the first full cell of a run and runs without one."""
    ranges = [(start, min(1440, start + length)) for start, length in spans if start + 1 < 1440]
    painted = {minute for start, end in ranges for minute in range(start, end)}
    found = read_availability({"Mo": [[write_time(a), write_time(b)] for a, b in ranges if a < b]})
    cells = {cell for cell in range(288) if all(cell * 5 + m in painted for m in range(5))}
    assert _cells(found.windows.get("monday", [])) == cells


def _cells(windows: list[tuple[str, str]]) -> set[int]:
    return {
        cell
        for start, end in windows
        for cell in range(_minutes(start) // 5, _minutes(end) // 5)
        if _minutes(start) % 5 == 0
    }


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
