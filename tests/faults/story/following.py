"""Calls: when they are due, and that exactly those are booked that ought to be."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from comms.rules.policy import BERLIN
from tests.faults.story.model import Call, Model
from tests.faults.story.world import Seen

TRIES = 3


def miss(call: Call) -> None:
    call.status, call.tries_again = "failed", call.number < TRIES


def close_unnoted(model: Model) -> None:
    """Of a call whose day is over nobody was reached, or nobody noted it."""
    today = model.now.astimezone(BERLIN).date()
    for call in model.calls.values():
        if call.status == "scheduled" and call.starts_at.astimezone(BERLIN).date() < today:
            miss(call)


def adopt_calls(model: Model, open_before: Collection[int], seen: Seen, therapists: Iterable[int]) -> None:
    """Hold what was booked against what was due, and take it over into the notebook."""
    new = {row.therapist_id: row for row in seen.calls.values() if row.id not in model.calls}
    assert len(new) == len(seen.calls) - len(model.calls)
    assert new.keys() <= set(therapists)
    expected = {id_: _expect(model, id_, open_before) for id_ in therapists}
    for id_, due in expected.items():
        if due is not None:
            call = new.get(id_)
            ahead = [each.id for each in model.calls_of(id_) if each.status == "scheduled"]
            assert bool(ahead) != bool(call), (id_, due)
            _take_up(model, seen, call.id if call else ahead[0], due)
        else:
            assert id_ not in new, (id_, new[id_])


def _expect(model: Model, id_: int, open_before: Collection[int]) -> set[int] | None:
    """The requests of the call that is to be booked or that takes up more; None where there is nothing to do."""
    therapist = model.therapists[id_]
    ahead = any(call.status == "scheduled" for call in model.calls_of(id_))
    allowed = model.may_be_contacted(therapist) if ahead else model.may_be_called(therapist)
    return model.due(therapist, open_before) if allowed and model.is_due(therapist, open_before) else None


def _take_up(model: Model, seen: Seen, id_: int, due: set[int]) -> None:
    row, speaks_of = seen.calls[id_], seen.speaks_of.get(id_, {})
    known = model.calls.get(id_)
    assert set(speaks_of) == due | (set(known.speaks_of) if known else set()), (speaks_of, due, known)
    call = known or Call(id_, row.therapist_id, row.starts_at, {}, set())
    call.speaks_of, call.emails = dict(speaks_of), set(seen.call_emails.get(id_, set()))
    if known is None and row.retry_of_id:
        call.number = model.calls[row.retry_of_id].number + 1
        model.calls[row.retry_of_id].tries_again = False
    model.calls[id_] = call
    for email in call.emails:
        model.emails[email].followed_up = True
