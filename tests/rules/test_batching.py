"""Which requests go into which email, and why the others wait."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from comms.rules.batching import Candidate, Decision, Inquiry, Waiting, plan_batches, template_for
from comms.rules.contact import Reason, TherapistFacts
from comms.rules.policy import ContactPolicy

NOW = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
POLICY = ContactPolicy()


def inquiry(therapist: int, *requests: Candidate, mailbox: str | None = "", status: str = "active") -> Inquiry:
    mailbox = f"{therapist}@b.example" if mailbox == "" else mailbox
    return Inquiry(TherapistFacts(therapist, mailbox=mailbox, status=status), requests)


def asked(day: int, id_: int, **facts: bool) -> Candidate:
    return Candidate(id_, date(2026, 1, day), **facts)


def plan(*inquiries: Inquiry, limit: int | None = None) -> dict[int, Decision]:
    return {decision.therapist_id: decision for decision in plan_batches(inquiries, NOW, POLICY, limit)}


def test_the_oldest_registration_comes_first_then_the_lower_id_and_unknown_dates_last() -> None:
    decision = plan(inquiry(1, asked(9, 5), Candidate(1, None), asked(3, 8), asked(3, 7)))[1]

    assert decision.chosen == (7, 8, 5, 1)


def test_five_patients_go_out_and_the_sixth_waits_keeping_its_order() -> None:
    decision = plan(inquiry(1, *(asked(day, day) for day in range(1, 8))))[1]

    assert decision.chosen == (1, 2, 3, 4, 5)
    assert [(f.request_id, f.reason) for f in decision.fates if f.reason] == [
        (6, Waiting.BEYOND_BATCH_SIZE),
        (7, Waiting.BEYOND_BATCH_SIZE),
    ]


def test_a_refused_therapist_gives_its_reason_to_every_request() -> None:
    decision = plan(inquiry(1, asked(1, 1), asked(2, 2), status="blocked"))[1]

    assert decision.verdict.reason is Reason.BLOCKED
    assert {fate.reason for fate in decision.fates} == {Reason.BLOCKED}


def test_a_patient_without_facts_waits_and_gives_its_place_to_the_next() -> None:
    decision = plan(inquiry(1, asked(1, 1, facts_missing=True), asked(2, 2)))[1]

    assert decision.chosen == (2,)
    assert decision.fates[0].reason == Waiting.FACTS_MISSING


def test_a_therapist_whose_patients_are_all_unknown_is_not_contacted() -> None:
    assert plan(inquiry(1, asked(1, 1, facts_missing=True)))[1].verdict.reason is Reason.FACTS_MISSING


def test_in_a_shared_mailbox_the_therapist_with_the_oldest_waiting_request_goes_first() -> None:
    decisions = plan(
        inquiry(1, asked(9, 1), mailbox="praxis@b.example"), inquiry(2, asked(3, 2), mailbox="praxis@b.example")
    )

    assert decisions[2].verdict.allowed
    assert decisions[1].verdict.reason is Reason.MAILBOX_CONTACTED_RECENTLY
    assert decisions[1].verdict.next_date == date(2026, 11, 30)


def test_a_refused_therapist_does_not_use_up_its_shared_mailbox() -> None:
    decisions = plan(
        inquiry(1, asked(9, 1), mailbox="praxis@b.example"),
        inquiry(2, asked(3, 2), mailbox="praxis@b.example", status="inactive"),
    )

    assert decisions[1].verdict.allowed


def test_a_limit_takes_the_longest_waiting_and_says_so_to_the_others() -> None:
    decisions = plan(inquiry(1, asked(9, 1)), inquiry(2, asked(3, 2)), inquiry(3, asked(5, 3)), limit=2)

    assert [id_ for id_, d in decisions.items() if d.verdict.allowed] == [2, 3]
    assert decisions[1].verdict.reason is Reason.BEYOND_RUN_LIMIT


def test_one_patient_gets_the_initial_contact_and_more_a_batch_request() -> None:
    assert [template_for(n) for n in (1, 2, 5)] == ["initial_contact", "batch_request", "batch_request"]


@st.composite
def situations(draw: st.DrawFn) -> list[Inquiry]:
    numbers = count(1)
    mailboxes = st.sampled_from(["a@x.example", "b@x.example", "c@x.example", None])
    days = st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2026, 1, 9)))
    return [
        Inquiry(
            TherapistFacts(t, mailbox=draw(mailboxes), status=draw(st.sampled_from(["active", "blocked"]))),
            tuple(
                Candidate(next(numbers), draw(days), draw(st.booleans()))
                for _ in range(draw(st.integers(min_value=1, max_value=8)))
            ),
        )
        for t in range(draw(st.integers(min_value=0, max_value=6)))
    ]


@given(situations(), st.one_of(st.none(), st.integers(min_value=0, max_value=3)))
def test_every_therapist_gets_one_verdict_every_request_one_fate_and_every_mailbox_at_most_one_email(
    inquiries: list[Inquiry], limit: int | None
) -> None:
    decisions = plan_batches(inquiries, NOW, POLICY, limit)

    emails = [decision for decision in decisions if decision.chosen]
    fates = [fate for decision in decisions for fate in decision.fates]
    assert sorted(d.therapist_id for d in decisions) == sorted(i.facts.therapist_id for i in inquiries)
    assert sorted(f.request_id for f in fates) == sorted(r.request_id for i in inquiries for r in i.requests)
    assert all((fate.position is None) != (fate.reason is None) for fate in fates)
    assert len({decision.mailbox for decision in emails}) == len(emails) <= (limit if limit is not None else 99)
    assert all(decision.verdict.allowed == bool(decision.chosen) for decision in decisions)


@given(situations(), st.randoms(use_true_random=False))
def test_the_order_in_which_facts_are_read_decides_nothing(inquiries: list[Inquiry], random: Random) -> None:
    shuffled = list(inquiries)
    random.shuffle(shuffled)

    assert plan_batches(shuffled, NOW, POLICY) == plan_batches(inquiries, NOW, POLICY)
