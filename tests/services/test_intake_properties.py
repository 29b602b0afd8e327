"""What holds for every import: counts add up, again is nothing new, at once is once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comms.services.intake import Counts, Kind, Record, import_records
from comms.services.intake import importing as importing_module
from comms.store.session import Sessions
from tests.factories import NOW
from tests.services.bringing import LATER, bring, snapshot


def test_two_imports_at_once_create_each_row_once(sessions: Sessions) -> None:
    rows = [{"id": n, "nachname": f"N{n}"} for n in range(1, 200)]
    requests = [{"id": n, "patient_id": n % 50 + 1, "therapist_id": n} for n in range(1, 200)]

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: bring(sessions, rows, (), requests), range(4)))

    for kind in ("therapists", "placement_requests"):
        assert sum(r.counts[kind].created for r in reports) == 199
        assert sum(r.counts[kind].updated for r in reports) == 0
        assert sum(r.counts[kind].unchanged for r in reports) == 3 * 199
    assert sum(r.stubs["patients"] for r in reports) == 50


def test_more_rows_than_a_chunk_holds_all_go_in(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing_module, "ROWS_IN_A_CHUNK", 7)

    report = bring(sessions, [{"id": n, "nachname": "A"} for n in range(1, 51)])

    assert report.counts["therapists"] == Counts(read=50, created=50)


_ID = st.sampled_from([1, 2, 3, "1", "2", 0, None, "x"])
_ROW = st.fixed_dictionaries(
    {},
    optional={
        "id": _ID,
        "nachname": st.sampled_from(["A", "B", None, "a\0b", 7, []]),
        "email": st.sampled_from(["a@x.example", None, "kaputt"]),
        "status": st.sampled_from(["aktiv", "gesperrt", None, "maybe", "offen", "abgelehnt", "angenommen"]),
        "patient_id": _ID,
        "therapist_id": _ID,
        "diagnose": st.sampled_from(["F32.1", "traurig", None]),
        "telefonische_erreichbarkeit": st.sampled_from([None, {"Mo": ["9-12"]}, {"x": 1}, 7]),
    },
)
_RECORDS = st.lists(
    st.builds(
        Record,
        st.sampled_from([*Kind, None]),
        st.just("here"),
        _ROW,
        st.sampled_from([None, None, None, "not_an_object"]),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RECORDS, st.booleans())
def test_the_counts_add_up_to_the_rows_read(sessions: Sessions, records: list[Record], dry_run: bool) -> None:
    report = import_records(sessions, records, NOW, dry_run=dry_run)

    assert report.rows == len(records)
    assert report.refused == len(report.refusals)
    for counts in report.counts.values():
        ended = counts.created + counts.updated + counts.unchanged + counts.merged + counts.refused
        assert counts.read == ended


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RECORDS)
def test_whatever_came_in_coming_again_changes_nothing(sessions: Sessions, records: list[Record]) -> None:
    import_records(sessions, records, NOW)
    before = snapshot(sessions)

    report = import_records(sessions, records, LATER)

    assert snapshot(sessions) == before
    assert sum(counts.created + counts.updated for counts in report.counts.values()) == 0
