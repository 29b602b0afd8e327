"""What a job did, as rows that a person reads."""

from __future__ import annotations

import pytest

from comms.bootstrap.jobs import add_up
from comms.bootstrap.telling import heading, ranges, rows_of

SENT = {"claimed": 3, "sent": 2, "deferred": 0, "failed": 1, "in_doubt": 0, "rescued": 0, "canceled": 0,
        "refused_marks": 0, "by_kind": {"permanent_address": 1}, "troubled_ids": [9], "channel": "working",
        "ended": "done"}  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "told"), [([], ""), ([4], "4"), ([9, 5, 6, 7], "5–7, 9"), (list(range(0, 60, 2)), None)]
)
def test_ids_are_told_as_ranges_and_not_without_end(ids: list[int], told: str | None) -> None:
    assert ranges(ids) == told if told is not None else ranges(ids).endswith("36, 38 …")


def test_a_queue_run_tells_what_was_sent_and_what_needs_a_look() -> None:
    counts = {
        "job": "send-queue",
        "key": "run-1",
        "at": "2026-11-23T00:00:00+00:00",
        "standing": "full",
        "due": 3,
    } | SENT
    rows = {row["what"]: (row["number"], row["ids"]) for row in rows_of(counts)}
    assert rows["emails due"] == (3, "")
    assert rows["not sent: permanent address"] == (1, "")
    assert rows["emails that need a look"] == (1, "9")
    assert heading(counts) == "As of 23.11.2026 01:00:00 (Berlin). Run key: run-1"


def test_a_run_that_sent_nothing_says_why() -> None:
    counts = {"job": "send-queue", "key": "k", "at": "2026-11-23T00:00:00+00:00", "standing": "dry_run", "due": 1}
    told = [row["what"] for row in rows_of(counts | SENT | {"ended": "paused"})]
    assert told[-1] == "sending is paused: comms resume"


def test_steps_are_added_up_number_by_number_reason_by_reason() -> None:
    total = add_up([SENT, SENT | {"by_kind": {"policy": 2}, "ended": "stopped"}])
    assert (total["sent"], total["troubled_ids"], total["ended"]) == (4, [9, 9], "stopped")
    assert total["by_kind"] == {"policy": 2, "permanent_address": 1}


SYNC = {"job": "sync-platform", "key": "k", "at": "2026-11-23T00:00:00+00:00", "standing": "full"}


def test_a_run_with_the_platform_tells_what_came_over_what_was_told_and_what_was_amiss() -> None:
    asked = {"ended": "asked", "pages": 1, "requests": 7, "faults": {"therapist_timeout": 3}}
    told = {"ended": "told", "told": 2, "untold": 1, "faults": {"matching_status_500": 1}}

    rows = rows_of(SYNC | {"platform": {"asked": asked, "told": told}})

    assert [(row["what"], row["number"]) for row in rows] == [
        ("requests that the platform calls open", 7),
        ("platform: therapist timeout", 3),
        ("requests set in progress at the platform", 2),
        ("requests that the platform is still to hear of", 1),
        ("platform: matching status 500", 1),
    ]


def test_without_a_platform_the_run_says_so() -> None:
    nothing = {"ended": "not_configured"}

    (row,) = rows_of(SYNC | {"platform": {"asked": nothing, "told": nothing}})

    assert row["what"] == "nobody was asked: no URL of the platform is set"
