"""What becomes of an email, for everything that a relay can say; on both engines and over a real connection."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from comms.rules.states import RequestStatus
from comms.services.sending import Channel, Ended, SendingReport, channel_state, send_queued_emails
from comms.store.contacts import email_holder
from comms.store.models import (
    ContactEntry,
    ContactState,
    DeliveryAttempt,
    Email,
    EmailBatch,
    OutboxEvent,
    PlacementRequest,
    StaffItem,
    Therapist,
)
from comms.store.session import Sessions, reading, writing
from tests.servers.processes import free_port
from tests.servers.script import Drop, Hang
from tests.servers.sending import QUICK, queue_emails, smtp_sender
from tests.servers.smtp import SmtpServer


def run(sessions: Sessions, port: int, *, limit: int = 100, policy: Any = QUICK, **settings: Any) -> SendingReport:
    sender = smtp_sender(port, **settings)
    return send_queued_emails(sessions, sender, policy, datetime.now(UTC), limit=limit)


def email_of(sessions: Sessions, id_: int) -> Email:
    with reading(sessions) as session:
        return session.get_one(Email, id_)


def events(sessions: Sessions) -> list[tuple[str, dict[str, Any]]]:
    with reading(sessions) as session:
        rows = session.execute(select(OutboxEvent.event_type, OutboxEvent.payload).order_by(OutboxEvent.id))
        return [(kind.removeprefix("communication."), payload) for kind, payload in rows]


def request_statuses(sessions: Sessions) -> set[str]:
    with reading(sessions) as session:
        return set(session.scalars(select(PlacementRequest.status)))


def staff_reasons(sessions: Sessions) -> list[str]:
    with reading(sessions) as session:
        return list(session.scalars(select(StaffItem.reason).where(StaffItem.resolved_at.is_(None))))


def attempts(sessions: Sessions) -> list[DeliveryAttempt]:
    with reading(sessions) as session:
        return list(session.scalars(select(DeliveryAttempt).order_by(DeliveryAttempt.id)))


def contacts(sessions: Sessions) -> list[tuple[str | None, datetime | None]]:
    with reading(sessions) as session:
        return [(held, at) for held, at in session.execute(select(ContactState.held_by, ContactState.contacted_at))]


def test_an_email_that_is_taken_is_sent_and_says_so(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1, per_email=2)
    with SmtpServer() as server:
        report = run(sessions, server.port)

    email = email_of(sessions, id_)
    assert (report.claimed, report.sent, report.ids["sent"], report.ended) == (1, 1, [id_], Ended.DONE)
    assert (email.status, email.owner, email.attempt, email.retry_count) == ("sent", None, 1, 0)
    assert server.message_ids == [email.message_id]
    [(kind, payload)] = events(sessions)
    assert (kind, payload["email_id"], len(payload["placement_request_ids"])) == ("email_sent", id_, 2)
    assert datetime.fromisoformat(payload["sent_at"]) == email.sent_at
    [attempt] = attempts(sessions)
    assert (attempt.outcome, attempt.phase, attempt.code) == ("accept", "content", 250)
    assert attempt.handed_over_at == email.handed_over_at


def test_the_contact_counts_from_the_hand_over_and_is_held_no_longer(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    with SmtpServer() as server:
        run(sessions, server.port)

    assert contacts(sessions) == [(None, email_of(sessions, id_).handed_over_at)] * 2


def test_a_deferred_email_comes_back_after_about_a_minute_and_was_never_handed_over(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    before = datetime.now(UTC)
    with SmtpServer({"rcpt": "451 4.7.1 greylisted"}) as server:
        report = run(sessions, server.port)

    email = email_of(sessions, id_)
    assert (report.deferred, report.by_kind) == (1, {"message_transient": 1})
    assert (email.status, email.retry_count, email.handed_over_at) == ("queued", 1, None)
    assert email.error_message == "rcpt 451 4.7.1"
    assert email.next_attempt_at is not None
    assert timedelta(seconds=40) < email.next_attempt_at - before < timedelta(seconds=90)
    assert {held for held, _ in contacts(sessions)} == {email_holder(id_)}
    assert events(sessions) == []


def test_a_definite_refusal_of_the_dot_takes_the_mark_back(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    with SmtpServer({"content": "451 4.3.0 queue file write error"}) as server:
        run(sessions, server.port)

    email = email_of(sessions, id_)
    assert (email.status, email.retry_count, email.handed_over_at) == ("queued", 1, None)
    assert attempts(sessions)[0].handed_over_at is not None


def test_a_bad_address_fails_the_email_marks_the_therapist_and_opens_the_requests(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1, per_email=2)
    with SmtpServer({"rcpt": "550 5.1.1 unknown"}) as server:
        report = run(sessions, server.port)

    email = email_of(sessions, id_)
    with reading(sessions) as session:
        therapist = session.get_one(Therapist, email.therapist_id)
        live = set(session.scalars(select(EmailBatch.live)))
    assert (report.failed, email.status, email.error_kind) == (1, "failed", "permanent_address")
    assert therapist.email_refused_at is not None
    assert (request_statuses(sessions), live) == ({RequestStatus.OPEN}, {False})
    assert events(sessions)[0][0] == "email_failed"
    assert events(sessions)[0][1]["reason"] == "permanent_address"
    assert staff_reasons(sessions) == []
    assert contacts(sessions) == [(None, None)] * 2


def test_an_address_that_the_therapist_no_longer_has_is_not_held_against_the_new_one(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    with writing(sessions) as session:
        therapist = session.get_one(Therapist, session.get_one(Email, id_).therapist_id)
        therapist.email = therapist.mailbox = "neu@therapie.example"
    with SmtpServer({"rcpt": "550 5.1.1 unknown"}) as server:
        run(sessions, server.port)

    with reading(sessions) as session:
        assert set(session.scalars(select(Therapist.email_refused_at))) == {None}


@pytest.mark.parametrize(("said", "kind"), [("554 5.6.0 corrupt", "permanent_content"), ("550 5.7.1 spam", "policy")])
def test_other_refusals_keep_the_requests_and_wait_for_a_person(sessions: Sessions, said: str, kind: str) -> None:
    [id_] = queue_emails(sessions, 1)
    with SmtpServer({"content": said}) as server:
        run(sessions, server.port)

    email = email_of(sessions, id_)
    assert (email.status, email.error_kind, email.handed_over_at) == ("failed", kind, None)
    assert request_statuses(sessions) == {RequestStatus.IN_PROGRESS}
    assert staff_reasons(sessions) == ["email_failed"]
    assert contacts(sessions) == [(None, None)] * 2


def test_after_three_days_of_deferrals_the_email_has_failed(sessions: Sessions) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=73)
    [id_] = queue_emails(sessions, 1, first_attempt_at=long_ago, retry_count=20, attempt=20)
    with SmtpServer({"rcpt": "452 4.2.2 mailbox full"}) as server:
        run(sessions, server.port)

    email = email_of(sessions, id_)
    assert (email.status, email.error_kind, email.attempt) == ("failed", "message_transient", 21)
    assert staff_reasons(sessions) == ["email_failed"]


@pytest.mark.parametrize("behaviour", [Drop(), Hang(), b"what?\r\n"])
@pytest.mark.parametrize("phase", ["content", "kept"])
def test_silence_after_the_dot_is_doubt_and_never_a_second_try(sessions: Sessions, phase: str, behaviour: Any) -> None:
    [id_] = queue_emails(sessions, 1)
    with SmtpServer({phase: behaviour}) as server:
        report = run(sessions, server.port, content_timeout=0.1)
        again = run(sessions, server.port, content_timeout=0.1)

    email = email_of(sessions, id_)
    assert (report.in_doubt, again.claimed, email.status) == (1, 0, "in_doubt")
    assert len([c for c in server.commands if c == "DATA"]) == 1
    assert staff_reasons(sessions) == ["email_in_doubt"]
    assert [kind for kind, _ in events(sessions)] == ["email_in_doubt"]
    assert contacts(sessions) == [(None, email.handed_over_at)] * 2
    assert request_statuses(sessions) == {RequestStatus.IN_PROGRESS}


def test_an_earlier_hand_over_that_stayed_in_doubt_outlives_a_later_refusal(sessions: Sessions) -> None:
    """A person resolved it to queued; the relay now refuses for good: the first contact may have happened."""
    earlier = datetime.now(UTC) - timedelta(days=1)
    [id_] = queue_emails(sessions, 1, attempt=1, handed_over_at=earlier)
    with writing(sessions) as session:
        session.add(
            DeliveryAttempt(
                email_id=id_, attempt=1, owner="x", started_at=earlier, handed_over_at=earlier, outcome="lose"
            )
        )
    with SmtpServer({"content": "550 5.7.1 spam"}) as server:
        run(sessions, server.port)

    email = email_of(sessions, id_)
    assert (email.status, email.handed_over_at) == ("failed", earlier)
    with reading(sessions) as session:
        assert set(session.scalars(select(ContactEntry.at))) == {earlier}


# the channel


@pytest.mark.parametrize(
    "script",
    [
        {"mail": "530 5.7.0 authentication required"},
        {"rcpt": "554 5.7.1 Relay access denied"},
        {"greeting": "554 5.7.1 blocked"},
    ],
)
def test_a_relay_that_refuses_us_pauses_the_channel_and_costs_no_email_anything(
    sessions: Sessions, script: dict[str, Any]
) -> None:
    ids = queue_emails(sessions, 12)
    with SmtpServer(script) as server:
        report = run(sessions, server.port)
        again = run(sessions, server.port)

    assert (report.failed, report.sent, report.channel, report.ended) == (0, 0, Channel.PAUSED, Ended.PAUSED)
    assert (again.claimed, again.ended) == (0, Ended.PAUSED)
    assert {email_of(sessions, id_).status for id_ in ids} == {"queued"}
    assert {email_of(sessions, id_).retry_count for id_ in ids} == {0}
    assert staff_reasons(sessions) == ["channel_misconfigured"]


def test_a_relay_that_is_away_lets_the_channel_rest_and_burns_nothing(sessions: Sessions) -> None:
    ids = queue_emails(sessions, 5)
    report = run(sessions, free_port())

    emails = [email_of(sessions, id_) for id_ in ids]
    assert (report.channel, report.ended) == (Channel.RESTING, Ended.RESTING)
    assert {(e.status, e.retry_count, e.first_attempt_at, e.handed_over_at) for e in emails} == {
        ("queued", 0, None, None)
    }
    with SmtpServer() as server:
        assert run(sessions, server.port).ended is Ended.RESTING
    assert server.received == []


def test_after_the_rest_everything_goes_and_the_channel_works_again(sessions: Sessions) -> None:
    short = replace(QUICK, breaker_pause=timedelta(milliseconds=1))
    queue_emails(sessions, 5)
    run(sessions, free_port(), policy=short)
    with SmtpServer() as server:
        report = run(sessions, server.port, policy=short)

    assert (report.sent, report.channel) == (5, Channel.WORKING)
    with reading(sessions) as session:
        assert channel_state(session, datetime.now(UTC) - timedelta(days=1)) is Channel.WORKING


def test_one_letter_that_upsets_the_relay_does_not_stop_the_others(sessions: Sessions) -> None:
    ids = queue_emails(sessions, 6)
    poison = email_of(sessions, ids[0]).recipient_email
    script = {"rcpt": lambda s: Drop() if poison in s.line else None}
    with SmtpServer(script) as server:
        report = run(sessions, server.port)

    assert (report.sent, report.deferred, report.ended) == (5, 1, Ended.DONE)
    assert email_of(sessions, ids[0]).retry_count == 0


def test_a_relay_that_allows_one_connection_still_gets_everything(sessions: Sessions) -> None:
    queue_emails(sessions, 8)
    busy = {"greeting": lambda s: None if s.number == 1 else "421 4.7.0 too many connections"}
    with SmtpServer(busy) as server:
        report = run(sessions, server.port)

    assert (report.sent, report.channel) == (8, Channel.WORKING)


def test_a_connection_that_was_closed_while_it_was_idle_costs_nothing(sessions: Sessions) -> None:
    queue_emails(sessions, 6)
    tired = {"mail": lambda s: Drop() if s.messages == 2 else None}
    with SmtpServer(tired) as server:
        report = run(sessions, server.port, policy=replace(QUICK, connections=1))

    assert (report.sent, report.deferred, len(server.sessions)) == (6, 0, 3)


def test_connections_are_opened_anew_after_some_letters(sessions: Sessions) -> None:
    queue_emails(sessions, 7)
    with SmtpServer() as server:
        run(sessions, server.port, policy=replace(QUICK, connections=1, messages_per_connection=3))

    assert (len(server.received), len(server.sessions)) == (7, 3)


def test_when_letter_after_letter_is_refused_it_is_us_who_are_refused(sessions: Sessions) -> None:
    queue_emails(sessions, 30)
    with SmtpServer({"content": "550 5.7.1 spam"}) as server:
        report = run(sessions, server.port)

    assert report.channel is Channel.PAUSED
    assert 10 <= report.failed <= 12
    assert "channel_misconfigured" in staff_reasons(sessions)
