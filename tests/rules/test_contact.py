"""The contact policy: exactly one first reason, and the date on which the last dated one ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.rules.contact import LastContact, Reason, TherapistFacts, Verdict, can_contact_therapist
from comms.rules.policy import ContactPolicy

NOW = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)  # 01:00 in Berlin
POLICY = ContactPolicy()
FREE = TherapistFacts(therapist_id=1, mailbox="a@b.example")
WEEK = timedelta(seconds=604_800)
SECOND = timedelta(seconds=1)

FORBIDS: dict[Reason, dict[str, Any]] = {
    Reason.BLOCKED: {"status": "blocked"},
    Reason.INACTIVE: {"status": "inactive"},
    Reason.DO_NOT_CONTACT: {"do_not_contact": True},
    Reason.SUPPRESSED_MAILBOX: {"suppressed": True},
    Reason.NO_EMAIL: {"mailbox": None},
    Reason.FACTS_MISSING: {"facts_missing": True},
    Reason.COOLING_PERIOD: {"rejected_on": date(2026, 11, 10)},
    Reason.UNANSWERED_EMAIL_PENDING: {"awaiting_answer": True},
    Reason.CONTACTED_RECENTLY: {"contact": LastContact(at=NOW - timedelta(days=2))},
    Reason.MAILBOX_CONTACTED_RECENTLY: {"mailbox_contact": LastContact(at=NOW - timedelta(days=1))},
}


def judge(**facts: Any) -> Verdict:
    return can_contact_therapist(replace(FREE, **facts), NOW, POLICY)


def test_a_therapist_about_whom_nothing_speaks_against_it_may_be_contacted() -> None:
    assert judge().allowed


@pytest.mark.parametrize("reason", FORBIDS)
def test_each_fact_forbids_the_contact_with_its_own_reason(reason: Reason) -> None:
    assert judge(**FORBIDS[reason]).reason is reason


@given(st.sets(st.sampled_from([r for r in FORBIDS if r is not Reason.NO_EMAIL]), min_size=1))
def test_of_several_reasons_the_first_in_the_order_of_the_domain_is_given(reasons: set[Reason]) -> None:
    facts = {name: value for reason in reasons for name, value in FORBIDS[reason].items()}
    if {Reason.BLOCKED, Reason.INACTIVE} <= reasons:
        facts["status"] = "blocked"

    assert judge(**facts).reason is min(reasons, key=list(Reason).index)


@pytest.mark.parametrize(
    ("contact", "allowed"),
    [
        (LastContact(), True),
        (LastContact(at=NOW - WEEK), True),
        (LastContact(at=NOW - WEEK + SECOND), False),
        (LastContact(at=NOW + SECOND), False),
        (LastContact(held=True, at=NOW - 10 * WEEK), False),
        (LastContact(held=True), False),
    ],
)
def test_seven_times_24_hours_are_exactly_604800_seconds_and_a_hold_has_no_end(
    contact: LastContact, allowed: bool
) -> None:
    assert judge(contact=contact).allowed is allowed
    assert judge(mailbox_contact=contact).allowed is allowed


def test_the_week_counts_seconds_even_where_clocks_change() -> None:
    before_the_change = datetime(2027, 3, 27, 12, tzinfo=UTC)  # 13:00 in Berlin; the week ends at 14:00 summer time
    facts = replace(FREE, contact=LastContact(at=before_the_change))

    assert not can_contact_therapist(facts, before_the_change + WEEK - SECOND, POLICY).allowed
    assert can_contact_therapist(facts, before_the_change + WEEK, POLICY).allowed


@pytest.mark.parametrize(
    ("rejected_on", "allowed"),
    [(date(2026, 10, 26), True), (date(2026, 10, 27), False), (date(2026, 11, 23), False), (None, True)],
)
def test_the_cooling_period_ends_four_weeks_after_the_local_date_of_the_rejection(
    rejected_on: date | None, allowed: bool
) -> None:
    assert judge(rejected_on=rejected_on).allowed is allowed


def test_the_platform_may_say_not_before_a_date() -> None:
    assert judge(next_contact_possible=date(2026, 11, 24)) == Verdict(Reason.COOLING_PERIOD, date(2026, 11, 24))
    assert judge(next_contact_possible=date(2026, 11, 23)).allowed


def test_the_local_date_decides_not_the_date_in_utc() -> None:
    late_evening_in_utc = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # already the 23rd in Berlin
    facts = replace(FREE, next_contact_possible=date(2026, 11, 23))

    assert can_contact_therapist(facts, late_evening_in_utc, POLICY).allowed


def test_the_date_is_the_end_of_the_last_dated_reason_not_of_the_first() -> None:
    verdict = judge(awaiting_answer=True, **FORBIDS[Reason.CONTACTED_RECENTLY], **FORBIDS[Reason.COOLING_PERIOD])

    assert verdict == Verdict(Reason.COOLING_PERIOD, date(2026, 12, 8))
    assert judge(awaiting_answer=True, **FORBIDS[Reason.CONTACTED_RECENTLY]).next_date == date(2026, 11, 28)


def test_a_reason_that_no_date_ends_has_none() -> None:
    assert judge(status="blocked") == Verdict(Reason.BLOCKED, None)
    assert judge(contact=LastContact(held=True, at=NOW)).next_date is None
