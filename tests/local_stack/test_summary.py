"""The summary counts in the tables, on both engines, and says reasons in plain English."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

from rich.console import Console

from comms.local_stack.summary import summarise, tell
from comms.rules.contact import Reason
from comms.store.models import OutboxEvent, PlanDecision
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_email, make_request, make_sent_email, make_therapist

EVENTS = [(1, 60, True), (2, 0, True), (3, 0, True), (4, 0, False)]
"""Number, seconds before NOW, whether it was published."""


def event(number: int, ago: int, published: bool) -> OutboxEvent:
    at = NOW - timedelta(seconds=ago)
    name = {"event_id": f"{number:036}", "event_type": "communication.email_sent", "key": f"email:{number}"}
    return OutboxEvent(**name, payload={}, created_at=at, published_at=NOW if published else None)


def test_the_figures_are_those_of_the_run_and_the_totals_those_of_the_tables(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapists = [make_therapist(session) for _ in range(4)]
        requests = [make_request(session, therapist) for therapist in therapists]
        make_sent_email(session, therapists[0], [requests[0]], at=NOW, batch_id="run-1")
        make_email(session, therapists[1], [requests[1]], batch_id="run-1")
        make_sent_email(session, therapists[2], [requests[2]], at=NOW - timedelta(days=9), batch_id="run-0")
        decided = {"decided_at": NOW, "therapist_id": therapists[3].id}
        session.add(PlanDecision(run_key="run-1", reason=Reason.NO_EMAIL, **decided))
        session.add(
            PlanDecision(run_key="run-1", reason=Reason.NO_EMAIL, **decided, placement_request_id=requests[3].id)
        )
        session.add(PlanDecision(run_key="run-0", reason=Reason.BLOCKED, **decided))
        session.add_all(event(number, ago, published) for number, ago, published in EVENTS)
    with reading(sessions) as session:
        found = summarise(
            session,
            "run-1",
            NOW,
            1,
            {"contact_too_soon": ["email:2"]},
            {"daily-batch": "Completed"},
            {"prefect": "http://here", "api": "http://there/docs"},
            "comms_x",
        )

    assert (found.therapists, found.placement_requests) == (4, 4)
    assert (found.emails_created, found.patients_in_emails, found.emails_sent) == (2, 2, 1)
    assert (found.emails_received, found.calls_scheduled, found.events_published) == (1, 0, 2)
    assert found.refused == {"no_email": 1}
    assert found.invariants_broken == {"contact_too_soon": ["email:2"]}

    told = StringIO()
    tell(found, Console(file=told, width=120))
    assert "no working email address" in told.getvalue()
    assert told.getvalue().index("http://there/docs") < told.getvalue().index("comms_x")
    assert list(found.as_json()) == [
        "therapists", "placement_requests", "emails_created", "emails_sent", "emails_received", "patients_in_emails",
        "refused", "calls_scheduled", "events_published", "invariants_broken", "flow_runs", "urls", "api_key",
    ]  # fmt: skip
