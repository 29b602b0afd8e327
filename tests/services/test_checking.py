"""`comms check`: a world that the service made breaks nothing, and each invariant names what breaks it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from comms.rules.policy import CallPolicy, ContactPolicy
from comms.sample.history import own_correspondence
from comms.sample.loading import load_sample
from comms.services import batching, job_runs
from comms.services.calls.scheduling import schedule_follow_up_calls
from comms.services.checking import INVARIANTS, Invariant, Terms, check
from comms.services.checking.invariant import dated
from comms.services.events import add_events
from comms.services.inbox import handle_events, receive
from comms.store.engines import clock
from comms.store.outbox import Story
from comms.store.session import Sessions, reading, writing
from tests.services.messages import event

TOLD = {"email_id": 1, "therapist_id": 1, "placement_request_ids": [], "sent_at": "2026-11-23T10:00:00+00:00"}
HOUR, WEEK = timedelta(hours=1), timedelta(hours=168)
QUEUED = "(SELECT min(id) FROM emails WHERE status = 'queued')"
SENT = "(SELECT min(id) FROM emails WHERE status = 'sent')"
CALL = "(SELECT min(id) FROM phone_calls WHERE status = 'scheduled')"
LAST_CALL = "(SELECT max(id) FROM phone_calls WHERE status = 'scheduled')"

BREAKING: dict[str, tuple[str, ...]] = {
    "request_without_place": (f"UPDATE email_batches SET live = false WHERE email_id = {QUEUED}",),
    "request_with_place_too_much": (
        f"""UPDATE placement_requests SET status = 'open' WHERE id IN
        (SELECT placement_request_id FROM email_batches WHERE email_id = {QUEUED})""",
    ),
    "place_in_something_over": (f"UPDATE emails SET status = 'failed' WHERE id = {QUEUED}",),
    "contact_too_soon": (
        f"""INSERT INTO contact_ledger (key, holder, at, kind)
        SELECT key, 'email:0', at, 'contact' FROM contact_ledger WHERE holder = 'email:' || {SENT}""",
    ),
    "two_emails_waiting": (
        f"""UPDATE emails SET mailbox = (SELECT mailbox FROM emails WHERE id = {QUEUED})
        WHERE id = (SELECT max(id) FROM emails WHERE status = 'queued')""",
    ),
    "waits_without_contact": (f"UPDATE contact_state SET held_by = NULL WHERE held_by = 'call:' || {CALL}",),
    "contact_held_for_nothing": (
        "UPDATE contact_state SET held_by = 'email:0' WHERE key = (SELECT min(key) FROM contact_state)",
    ),
    "calls_overlap": (
        f"UPDATE phone_calls SET starts_at = (SELECT starts_at FROM phone_calls WHERE id = {CALL}), "
        f"caller = (SELECT caller FROM phone_calls WHERE id = {CALL}) WHERE id = {LAST_CALL}",
    ),
    "call_with_wrong_cells": (f"DELETE FROM call_cells WHERE phone_call_id = {CALL}",),
    "two_calls_ahead": (
        f"UPDATE phone_calls SET therapist_id = (SELECT therapist_id FROM phone_calls WHERE id = {CALL}) "
        f"WHERE id = {LAST_CALL}",
    ),
    "followed_up_twice": (
        """INSERT INTO phone_call_emails (phone_call_id, email_id)
        SELECT min(c.id), min(f.email_id) FROM phone_calls c, phone_call_emails f WHERE c.id <> f.phone_call_id""",
    ),
    "email_created_not_told_once": (f"DELETE FROM outbox_events WHERE key = 'email:' || {QUEUED}",),
    "email_sent_not_told_once": (
        f"""UPDATE outbox_events SET event_type = 'communication.email_sent'
        WHERE key = 'email:' || {QUEUED}""",
    ),
    "email_failed_not_told_once": (f"UPDATE emails SET status = 'bounced' WHERE id = {SENT}",),
    "email_in_doubt_not_told_once": (f"UPDATE delivery_attempts SET outcome = 'lose' WHERE email_id = {SENT}",),
    "email_canceled_not_told_once": (f"UPDATE emails SET status = 'canceled' WHERE id = {QUEUED}",),
    "call_scheduled_not_told_once": (f"DELETE FROM outbox_events WHERE key = 'call:' || {CALL}",),
    "call_completed_not_told_once": (
        f"UPDATE phone_calls SET status = 'completed', actual_at = starts_at WHERE id = {CALL}",
    ),
    "call_failed_not_told_once": (f"UPDATE phone_calls SET status = 'failed' WHERE id = {CALL}",),
    "call_canceled_not_told_once": (f"UPDATE phone_calls SET status = 'canceled' WHERE id = {CALL}",),
    "answer_not_told": ("DELETE FROM outbox_events WHERE event_type = 'communication.response_recorded'",),
    "event_not_published": (
        "UPDATE outbox_events SET published_at = NULL WHERE id = (SELECT min(id) FROM outbox_events)",
    ),
    "event_overtaken": (
        f"""UPDATE outbox_events SET published_at = :soon
        WHERE event_type = 'communication.email_created' AND key = 'email:' || {SENT}""",
    ),
    "inbound_without_effect": ("UPDATE inbox_events SET subject = 'request:0'",),
    "inbound_dead_and_alive": ("UPDATE inbox_events SET outcome = 'dead'",),
    "inbound_not_handled": ("UPDATE inbox_events SET handled_at = NULL, outcome = NULL",),
    "still_sending": (
        f"UPDATE emails SET status = 'sending', owner = 'x', lease_until = :long_ago WHERE id = {QUEUED}",
    ),
    "role_left_behind": (
        "UPDATE outbox_events SET published_at = NULL WHERE id = (SELECT min(id) FROM outbox_events)",
        "INSERT INTO leases (role, owner, until) VALUES ('relay', 'x', :long_ago)",
    ),
    "run_left_open": ("UPDATE job_runs SET started_at = :long_ago",),
}
"""By invariant, what breaks it in the world below."""


def make_world(sessions: Sessions) -> datetime:
    """Waiting and sent emails, answers, booked calls, published events, an event of the platform; returns now."""
    with reading(sessions) as session:
        now = clock(session)
    load_sample(sessions, now, therapists=40)
    schedule_follow_up_calls(sessions, now, CallPolicy(callers=2))
    decisions = batching.plan_run(sessions, now, ContactPolicy(), "run-1")
    for chunk in batching.chunks_of(decisions, 50):
        batching.create_batch_emails(sessions, chunk, now, ContactPolicy(), own_correspondence(), "run-1")
    with writing(sessions) as session:
        receive(session, [event("match.created", match_id=990_000, patient_id=1, therapist_id=1)], now - HOUR)
        job_runs.start_run(session, job_runs.SEND_QUEUE, "run-1", now, now)
        session.execute(text("UPDATE outbox_events SET published_at = created_at"))
    handle_events(sessions)
    return now


def test_each_invariant_holds_in_a_world_that_the_service_made_and_names_what_breaks_it(sessions: Sessions) -> None:
    terms = Terms(make_world(sessions), kafka=True)
    with reading(sessions) as session:
        assert check(session, terms) == []
        silent = {invariant.code for invariant in INVARIANTS if not _finds_what_breaks_it(session, terms, invariant)}
    assert silent == set()


def _finds_what_breaks_it(session: Session, terms: Terms, invariant: Invariant) -> bool:
    instants = {"soon": terms.now + HOUR, "long_ago": terms.now - WEEK}
    for statement in BREAKING[invariant.code]:
        named = {name: at for name, at in instants.items() if f":{name}" in statement}
        session.execute(dated(statement, *named), named)
    found = check(session, terms, [invariant])
    session.rollback()
    return [broken.invariant for broken in found] == [invariant]


def test_without_brokers_nobody_waits_for_them(sessions: Sessions) -> None:
    with writing(sessions) as session:
        now = clock(session)
        add_events(session, "communication.email_sent", [("email:1", TOLD)], now - HOUR, {"email:1": Story()})
    with reading(sessions) as session:
        assert check(session, Terms(now)) == []
        (found,) = check(session, Terms(now, kafka=True))
    assert (found.invariant.code, len(found.rows)) == ("event_not_published", 1)


def test_a_run_that_died_is_closed_by_the_next_of_its_job_and_a_run_at_work_is_not(sessions: Sessions) -> None:
    with writing(sessions) as session:
        now = clock(session)
        for key, ago in (("died", 13 * HOUR), ("at work", 11 * HOUR)):
            job_runs.start_run(session, job_runs.SEND_QUEUE, key, now - ago, now - ago)
        job_runs.start_run(session, job_runs.FOLLOW_UPS, "another", now - 13 * HOUR, now - 13 * HOUR)
        job_runs.start_run(session, job_runs.SEND_QUEUE, "next", now, now)
        states = session.execute(text("SELECT key, state FROM job_runs")).all()
    assert sorted(map(tuple, states)) == [
        ("another", "running"), ("at work", "running"), ("died", "failed"), ("next", "running"),
    ]  # fmt: skip
