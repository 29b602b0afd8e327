"""One answer, three roads: the email, its batches, the whole answer at once. They meet, in any order and at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.rules.policy import BERLIN
from comms.rules.states import Outcome
from comms.services.email_batches import change_batch
from comms.services.email_changes import change_email
from comms.services.responses import Response, respond
from comms.store.models import Email, EmailBatch, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW
from tests.services.email_rows import email_in, event_types, fresh, places, request_ids, staff_items, statuses
from tests.services.test_batching import POLICY

ME = "key:test"
EARLIER = NOW - timedelta(minutes=30)
PATIENTS = 3

Outcomes = dict[int, Outcome]
"""By place in the email."""


@dataclass(frozen=True)
class Step:
    road: str
    outcomes: Outcomes


def take(session: Session, email: Email, step: Step) -> None:
    ids = request_ids(session, email)
    outcomes = {ids[place]: outcome for place, outcome in step.outcomes.items()}
    match step.road:
        case "email":
            put(session, email.id, response_received=True, response_date=EARLIER, response_content="so steht es da")
        case "batches":
            for batch_id, request_id in session.execute(select(EmailBatch.id, EmailBatch.placement_request_id)).all():
                if request_id in outcomes:
                    change_batch(session, batch_id, {"response_outcome": outcomes[request_id]}, NOW, ME)
        case _:
            entries = [{"placement_request_id": id_, "outcome": outcome} for id_, outcome in outcomes.items()]
            respond(session, email.id, Response(entries, date=EARLIER, content="so steht es da"), NOW, ME, BERLIN)


def put(session: Session, email_id: int, **fields: object) -> None:
    change_email(session, email_id, fields, NOW, ME, POLICY, lambda *_: None)


def state(session: Session, email: Email) -> object:
    ids = request_ids(session, email)
    row = fresh(session, email)
    return (
        statuses(session, *ids),
        (row.status, row.response_received, row.response_date, row.response_content, row.rejected_on),
        list(places(session, email).values()),
        {(ids.index(id_), reason) for kind, id_, reason in staff_items(session) if kind == "placement_request"},
    )


steps = st.builds(
    Step,
    st.sampled_from(["email", "batches", "whole"]),
    st.dictionaries(st.integers(0, PATIENTS - 1), st.sampled_from(Outcome)),
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(steps, max_size=4))
def test_every_order_of_roads_ends_where_the_final_answer_alone_would_have(
    sessions: Sessions, story: list[Step]
) -> None:
    final = Step(
        "whole", {place: outcome for step in story if step.road != "email" for place, outcome in step.outcomes.items()}
    )
    with sessions() as session:
        ends = []
        for told in ([*story, Step("email", {})], [final]):
            email = email_in(session, "sent", patients=PATIENTS)
            for step in told:
                take(session, email, step)
            ends.append(state(session, email))
            session.rollback()
        assert ends[0] == ends[1]


def test_a_corrected_date_moves_the_cooling_period(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent", created_at=NOW - timedelta(days=9))
        take(session, email, Step("whole", {0: Outcome.REJECTED}))
        put(session, email.id, response_date=NOW - timedelta(days=3))
        assert fresh(session, email).rejected_on == (NOW - timedelta(days=3)).date()
        assert session.scalar(select(EmailBatch.responded_at)) == NOW - timedelta(days=3)


def test_words_and_notes_alone_are_no_news(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_in(session, "sent")
        (one,) = request_ids(session, email)
        take(session, email, Step("whole", {0: Outcome.REJECTED}))
        entry = {"placement_request_id": one, "outcome": Outcome.REJECTED, "notes": "kein Platz bis Ostern"}
        respond(session, email.id, Response([entry], content=""), NOW, ME, BERLIN)
        assert fresh(session, email).response_content is None
        assert session.scalar(select(EmailBatch.response_notes)) == "kein Platz bis Ostern"
        respond(session, email.id, Response([entry | {"notes": None}]), NOW, ME, BERLIN)
        assert session.scalar(select(EmailBatch.response_notes)) is None
        assert event_types(session) == ["response_recorded"]


@pytest.mark.parametrize("_round", range(3))
def test_clients_who_answer_at_once_leave_one_whole_answer(sessions: Sessions, _round: int) -> None:
    """Each says something else about both patients; whoever came last is believed for all of it."""
    with writing(sessions) as session:
        email = email_in(session, "sent", patients=2)
        first, second = request_ids(session, email)
        batches = list(session.scalars(select(EmailBatch.id).order_by(EmailBatch.id)))
    start = Barrier(4)

    def whole(outcome: Outcome) -> Callable[[Session], object]:
        return lambda session: respond(session, email.id, Response(outcome_for_all=outcome), NOW, ME, BERLIN)

    work: list[Callable[[Session], object]] = [
        whole(Outcome.ACCEPTED),
        whole(Outcome.REJECTED),
        lambda session: put(session, email.id, response_received=True),
        lambda session: [change_batch(session, id_, {"response_notes": "x"}, NOW, ME) for id_ in batches],
    ]

    def act(one: Callable[[Session], object]) -> None:
        start.wait()
        with writing(sessions) as session:
            one(session)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(act, work))
    with reading(sessions) as session:
        outcomes = set(session.scalars(select(EmailBatch.response_outcome)))
        assert outcomes in ({"accepted"}, {"rejected"})
        assert set(session.scalars(select(PlacementRequest.status))) == outcomes
        assert (session.get_one(Email, email.id).rejected_on is None) == (outcomes == {"accepted"})
        assert statuses(session, first) == statuses(session, second)
        assert set(session.scalars(select(EmailBatch.response_notes))) == {"x"}
