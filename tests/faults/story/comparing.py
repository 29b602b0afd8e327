"""The notebook beside the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import combinations

from tests.faults.story.model import WEEK, Email, Model
from tests.faults.story.world import Seen

Received = Iterable[tuple[int, datetime]]


def compare(model: Model, seen: Seen) -> None:
    """Every request, email and call is what it ought to be. A request that only staff can help may be in progress."""
    assert {id_: row.status for id_, row in seen.emails.items()} == {e.id: e.status for e in model.emails.values()}
    assert seen.holds == {email.id: email.holds for email in model.emails.values() if email.holds}
    assert {id_: _email(row) for id_, row in seen.emails.items()} == {e.id: _noted(e) for e in model.emails.values()}
    assert {id_: row.status for id_, row in seen.calls.items()} == {c.id: c.status for c in model.calls.values()}
    for call in model.calls.values():
        if call.ahead:
            assert set(seen.speaks_of.get(call.id, {})) == set(call.speaks_of), call
    for request in model.requests.values():
        status = seen.requests[request.id]
        if request.word or model.is_held(request.id):
            assert status == (request.word or "in_progress"), request
        else:
            assert status in ("open", "in_progress"), request


def _email(row: object) -> tuple[object, ...]:
    return (row.response_received, row.closed_at is not None, row.followed_up_at is not None, row.rejected_on)  # type: ignore[attr-defined]


def _noted(email: Email) -> tuple[object, ...]:
    return (email.answered, email.closed is not None, email.followed_up, email.rejected_on)


def contacts_too_close(model: Model, received: Received) -> list[object]:
    """Pairs of letters that arrived and calls that reached somebody, with one key and less than a week between them."""
    contacts = [
        (key, at, f"email {id_}")
        for id_, at in received
        if (email := model.emails[id_]).status != "bounced"
        for key in (email.therapist, email.mailbox)
    ]
    contacts += [(c.therapist, c.reached_at, f"call {c.id}") for c in model.calls.values() if c.reached_at]
    return [
        (one, other)
        for one, other in combinations(contacts, 2)
        if one[0] == other[0] and one[2] != other[2] and abs(one[1] - other[1]) < WEEK
    ]


def sent_too_often(model: Model, received: Received) -> list[int]:
    """Letters that arrived again without a person having said so."""
    arrived = Counter(id_ for id_, _ in received)
    return [id_ for id_, times in arrived.items() if times > 1 + model.emails[id_].once_more]
