"""What the present work goes back to."""

from __future__ import annotations

import pytest

from comms.causes import cause_of, caused_by, events_about, opaque, work_id


def test_nothing_is_invented_where_nobody_named_a_cause() -> None:
    assert work_id() is None
    assert cause_of("request:301") is None


def test_an_event_that_spoke_of_somebody_is_the_cause_and_else_the_work_itself() -> None:
    with caused_by("run-1"), events_about({"request:301": "event-1"}):
        assert cause_of("request:301", "therapist:101") == "event-1"
        assert cause_of("therapist:101") == work_id() == "run-1"
        with events_about({"therapist:101": "event-2"}):
            assert (cause_of("therapist:101"), cause_of("request:301")) == ("event-2", "event-1")
    assert work_id() is None


@pytest.mark.parametrize("given", ["0d0f9a3c-8f3e-4a55-9a53-0a8a3f1c5b01", "4BF92F3577B34DA6A3CE929D0E0E4736"])
def test_a_number_that_a_client_sends_is_taken_over(given: str) -> None:
    assert opaque(given) == given


@pytest.mark.parametrize(
    "given", [None, "", "17", "Andrea-Mueller-1988", "a" * 65, "praxis@therapie.example", "ä" * 20]
)
def test_what_could_be_a_name_is_not(given: str | None) -> None:
    assert opaque(given) is None
