"""What stands between the queue and the relay: claim, lease, mark, pause, stop and rescue; on both engines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from comms.ports import EmailConnection, Handed, Letter
from comms.rules.replies import Fault, Phase, Reply
from comms.rules.states import RequestStatus
from comms.services.pause import pause_sending
from comms.services.sending import Ended, SendingReport, rescue_lost_emails, send_queued_emails
from comms.services.sending.claim import claim_due_emails, renew_leases
from comms.services.sending.marks import grant_marks
from comms.services.sending.records import Records
from comms.services.sending.report import Tally
from comms.services.sending.values import Claimed, Result
from comms.services.withdrawals import withdraw_requests
from comms.store.engines import clock
from comms.store.models import (
    DeliveryAttempt,
    Email,
    EmailBatch,
    OutboxEvent,
    PlacementRequest,
    StaffItem,
    Suppression,
    Therapist,
)
from comms.store.session import Sessions, reading, writing
from tests.servers.sending import QUICK, queue_emails, smtp_sender
from tests.servers.smtp import SmtpServer

TAKEN = Reply(Phase.CONTENT, 250, "2.0.0")
LATER = timedelta(hours=1)


class Relay:
    """A sender that asks for the mark and then says `reply`; `before_mark` happens while the letter is under way."""

    def __init__(self, before_mark: Callable[[Letter], None] = lambda _: None, reply: Reply = TAKEN) -> None:
        self.before_mark, self.reply = before_mark, reply
        self.taken: list[int] = []
        self.alive = True

    def connect(self) -> EmailConnection:
        return self

    def send(self, letter: Letter, may_hand_over: Callable[[], bool]) -> Handed:
        self.before_mark(letter)
        if not may_hand_over():
            return Handed(letter.email_id, Reply(Phase.DATA, fault=Fault.MARK_REFUSED), marked=False)
        self.taken.append(letter.email_id)
        return Handed(letter.email_id, self.reply, marked=True)

    def close(self) -> None:
        return


def run(sessions: Sessions, relay: Any, *, limit: int = 100, policy: Any = QUICK, **more: Any) -> SendingReport:
    now = more.pop("now", None) or datetime.now(UTC)
    return send_queued_emails(sessions, relay, policy, now, limit=limit, **more)


def claim(sessions: Sessions, owner: str = "me", lease: timedelta = timedelta(minutes=1)) -> list[Claimed]:
    with writing(sessions) as session:
        at = clock(session)
        return claim_due_emails(session, owner, at, at, lease, 100).letters


def mark(sessions: Sessions, asked: list[Claimed], owner: str = "me") -> set[int]:
    with writing(sessions) as session:
        return grant_marks(session, owner, asked, clock(session))


def record(sessions: Sessions, claimed: Claimed, reply: Reply, owner: str = "me") -> Tally:
    tally = Tally()
    records = Records(sessions, owner, QUICK, tally)
    records.write([], [Result(claimed, reply)])
    records.finish([Result(claimed, reply)])
    return tally


def let_lease_run_out(sessions: Sessions) -> None:
    with writing(sessions) as session:
        session.execute(update(Email).where(Email.status == "sending").values(lease_until=clock(session)))


def rescue(sessions: Sessions) -> Any:
    with writing(sessions) as session:
        return rescue_lost_emails(session, clock(session))


def status(sessions: Sessions, id_: int) -> str:
    with reading(sessions) as session:
        return session.get_one(Email, id_).status


# the claim


def test_the_oldest_due_emails_go_first_and_no_more_than_the_limit(sessions: Sessions) -> None:
    ids = queue_emails(sessions, 5)
    relay = Relay()

    report = run(sessions, relay, limit=3, policy=replace(QUICK, connections=1, chunk=2))

    assert (relay.taken, report.claimed, report.sent) == (ids[:3], 3, 3)


def test_what_is_due_later_or_stale_waits(sessions: Sessions) -> None:
    queue_emails(sessions, 1, next_attempt_at=datetime.now(UTC) + LATER)
    queue_emails(sessions, 1, stale=True)

    assert run(sessions, Relay()).claimed == 0


def test_an_instant_that_has_not_come_sends_nothing(sessions: Sessions) -> None:
    queue_emails(sessions, 1)
    relay = Relay()

    report = run(sessions, relay, now=datetime.now(UTC) + LATER)

    assert (relay.taken, report.ended) == ([], Ended.FUTURE)


def test_an_instant_of_the_past_sends_only_what_was_due_then(sessions: Sessions) -> None:
    queue_emails(sessions, 1)

    assert run(sessions, Relay(), now=datetime.now(UTC) - LATER).claimed == 0


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "blocked", "do_not_contact": "no"}, "blocked"),
        ({"status": "inactive"}, "inactive"),
        ({"do_not_contact": "wrote a letter"}, "do_not_contact"),
        ({}, "suppressed_mailbox"),
    ],
)
def test_whoever_must_not_be_written_to_is_found_at_the_claim(
    sessions: Sessions, facts: dict[str, Any], reason: str
) -> None:
    barred, other = queue_emails(sessions, 2)
    with writing(sessions) as session:
        email = session.get_one(Email, barred)
        for name, value in facts.items():
            setattr(session.get_one(Therapist, email.therapist_id), name, value)
        if not facts:
            session.add(Suppression(mailbox=email.mailbox, created_by="x", created_at=datetime.now(UTC)))
    relay = Relay()

    report = run(sessions, relay)

    assert (relay.taken, report.canceled, report.ids["canceled"]) == ([other], 1, [barred])
    with reading(sessions) as session:
        email = session.get_one(Email, barred)
        request = session.scalars(
            select(PlacementRequest)
            .join(EmailBatch, EmailBatch.placement_request_id == PlacementRequest.id)
            .where(EmailBatch.email_id == barred)
        ).one()
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.key == f"email:{barred}")).one()
    assert (email.status, email.status_reason, request.status) == ("canceled", reason, RequestStatus.OPEN)
    assert (told.event_type, told.payload["reason"]) == ("communication.email_canceled", reason)


def test_a_claim_holds_the_email_for_its_lease_and_opens_an_attempt(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)

    [claimed] = claim(sessions)

    assert claim(sessions, "other") == []
    with reading(sessions) as session:
        email = session.get_one(Email, id_)
        attempt = session.scalars(select(DeliveryAttempt)).one()
    assert (email.status, email.owner, email.attempt, claimed.attempt) == ("sending", "me", 1, 1)
    assert (attempt.email_id, attempt.attempt, attempt.owner, attempt.outcome) == (id_, 1, "me", None)


# the mark


def test_a_mark_is_granted_to_the_holder_and_to_nobody_else(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    [claimed] = claim(sessions)

    assert mark(sessions, [claimed], "other") == set()
    assert mark(sessions, [replace(claimed, attempt=2)]) == set()
    assert mark(sessions, [replace(claimed, version=claimed.version - 1)]) == set()
    assert mark(sessions, [claimed]) == {id_}


def test_after_the_lease_there_is_no_mark_and_no_way_to_renew_it(sessions: Sessions) -> None:
    queue_emails(sessions, 1)
    [claimed] = claim(sessions)
    let_lease_run_out(sessions)

    with writing(sessions) as session:
        renew_leases(session, "me", clock(session), LATER)
    assert mark(sessions, [claimed]) == set()


def test_a_renewed_lease_is_longer(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    [claimed] = claim(sessions, lease=timedelta(seconds=30))
    with writing(sessions) as session:
        renew_leases(session, "me", clock(session), LATER)

    with reading(sessions) as session:
        lease = session.get_one(Email, id_).lease_until
    assert lease is not None
    assert lease > datetime.now(UTC) + timedelta(minutes=50)
    assert mark(sessions, [claimed]) == {id_}


def test_an_email_withdrawn_under_way_is_not_handed_over_but_rendered_and_sent_again(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1, per_email=2)
    with reading(sessions) as session:
        request_id = session.scalars(select(EmailBatch.placement_request_id)).first()
    assert request_id is not None
    withdrawn: list[int] = []

    def withdraw(_: Letter) -> None:
        if not withdrawn:
            withdrawn.append(request_id)
            with writing(sessions) as session:
                withdraw_requests(session, [request_id], clock(session), "canceled_by_staff")

    def render() -> None:
        with writing(sessions) as session:
            session.execute(update(Email).where(Email.stale).values(stale=False, version=Email.version + 1))

    relay = Relay(withdraw)
    report = run(sessions, relay, refresh=render)

    assert (relay.taken, report.claimed, report.refused_marks, report.sent) == ([id_], 2, 1, 1)
    with reading(sessions) as session:
        email = session.get_one(Email, id_)
    assert (email.attempt, email.retry_count) == (2, 0)


def test_over_a_real_connection_a_withdrawn_email_never_shows_its_content(sessions: Sessions) -> None:
    queue_emails(sessions, 1)
    with reading(sessions) as session:
        ids = session.scalars(select(PlacementRequest.id)).all()

    def withdraw(_: object) -> None:
        with writing(sessions) as session:
            withdraw_requests(session, ids, clock(session), "canceled_by_staff")

    with SmtpServer({"data": withdraw}) as server:
        report = run(sessions, smtp_sender(server.port))

    assert (server.received, report.refused_marks, report.sent) == ([], 1, 0)


# lost and found


def test_what_was_not_handed_over_goes_back_to_the_queue(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    claim(sessions)
    assert rescue(sessions).queued == ()
    let_lease_run_out(sessions)

    found = rescue(sessions)

    assert (found.queued, found.in_doubt, status(sessions, id_)) == ((id_,), (), "queued")
    assert rescue(sessions).queued == ()
    with reading(sessions) as session:
        assert session.scalars(select(DeliveryAttempt.outcome)).all() == ["rescue"]


def test_what_was_handed_over_is_in_doubt_and_on_the_staff_list(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    mark(sessions, claim(sessions))
    let_lease_run_out(sessions)

    found = rescue(sessions)

    assert (found.queued, found.in_doubt, status(sessions, id_)) == ((), (id_,), "in_doubt")
    with reading(sessions) as session:
        assert session.scalars(select(StaffItem.reason)).all() == ["email_in_doubt"]


def test_a_mark_of_an_earlier_attempt_does_not_put_this_one_in_doubt(sessions: Sessions) -> None:
    earlier = datetime.now(UTC) - timedelta(days=1)
    [id_] = queue_emails(sessions, 1, attempt=1, handed_over_at=earlier)
    claim(sessions)
    let_lease_run_out(sessions)

    assert rescue(sessions).queued == (id_,)
    with reading(sessions) as session:
        assert session.get_one(Email, id_).handed_over_at == earlier


def test_a_sender_that_slept_past_its_lease_cannot_hand_over_what_another_holds(sessions: Sessions) -> None:
    queue_emails(sessions, 1)
    [mine] = claim(sessions, "me")
    let_lease_run_out(sessions)
    rescue(sessions)
    [theirs] = claim(sessions, "other")

    assert mark(sessions, [mine], "me") == set()
    assert mark(sessions, [theirs], "other") == {theirs.email_id}


def test_a_late_word_of_the_relay_ends_the_doubt_of_the_rescue(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    [claimed] = claim(sessions)
    mark(sessions, [claimed])
    let_lease_run_out(sessions)
    rescue(sessions)

    tally = record(sessions, claimed, TAKEN)

    assert (status(sessions, id_), tally.count("sent")) == ("sent", 1)
    with reading(sessions) as session:
        assert session.scalars(select(StaffItem.id).where(StaffItem.resolved_at.is_(None))).all() == []
        assert session.scalars(select(DeliveryAttempt.outcome)).all() == ["accept"]


@pytest.mark.parametrize("reply", [TAKEN, Reply(Phase.RCPT, 550, "5.1.1"), Reply(Phase.RCPT, 451)])
def test_a_result_of_an_earlier_attempt_changes_nothing(sessions: Sessions, reply: Reply) -> None:
    [id_] = queue_emails(sessions, 1)
    [mine] = claim(sessions, "me")
    let_lease_run_out(sessions)
    rescue(sessions)
    claim(sessions, "other")

    record(sessions, mine, reply)

    with reading(sessions) as session:
        email = session.get_one(Email, id_)
    assert (email.status, email.owner) == ("sending", "other")


def test_a_withdrawal_after_the_mark_does_not_lose_the_result(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    [claimed] = claim(sessions)
    mark(sessions, [claimed])
    with writing(sessions) as session:
        withdraw_requests(
            session, session.scalars(select(PlacementRequest.id)).all(), clock(session), "canceled_by_staff"
        )

    record(sessions, claimed, TAKEN)

    assert status(sessions, id_) == "sent"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [(TAKEN, "sent"), (Reply(Phase.RCPT, 550, "5.1.1"), "failed"), (Reply(Phase.CONTENT, 451, "4.3.0"), "queued")],
)
def test_what_the_relay_said_before_its_sender_died_is_not_doubt(
    sessions: Sessions, reply: Reply, expected: str
) -> None:
    """Killed after the answer was written down and before anything followed from it."""
    [id_] = queue_emails(sessions, 1)
    [claimed] = claim(sessions)
    mark(sessions, [claimed])
    Records(sessions, "me", QUICK, Tally()).write([], [Result(claimed, reply)])
    assert status(sessions, id_) == "sending"
    let_lease_run_out(sessions)

    found = rescue(sessions)

    assert (found.answered, found.queued, found.in_doubt, status(sessions, id_)) == ((id_,), (), (), expected)
    with reading(sessions) as session:
        assert session.scalars(select(StaffItem.reason)).all() == []


def test_a_run_finds_what_a_dead_sender_left_and_sends_it(sessions: Sessions) -> None:
    [id_] = queue_emails(sessions, 1)
    claim(sessions, "dead")
    let_lease_run_out(sessions)

    report = run(sessions, Relay())

    assert (report.rescued, report.sent, status(sessions, id_)) == (1, 1, "sent")


# pause and stop


def test_a_paused_sender_claims_nothing(sessions: Sessions) -> None:
    queue_emails(sessions, 1)
    with writing(sessions) as session:
        pause_sending(session, "staff", clock(session))

    report = run(sessions, Relay())

    assert (report.claimed, report.ended) == (0, Ended.PAUSED)


def test_a_pause_takes_effect_between_two_chunks(sessions: Sessions) -> None:
    queue_emails(sessions, 10)

    def pause(_: Letter) -> None:
        with writing(sessions) as session:
            pause_sending(session, "staff", clock(session))

    report = run(sessions, Relay(pause), policy=replace(QUICK, connections=1, chunk=3))

    assert (report.claimed, report.ended) == (3, Ended.PAUSED)
    with reading(sessions) as session:
        assert set(session.scalars(select(Email.status))) == {"sent", "queued"}


def test_at_a_stop_letters_under_way_finish_and_the_others_go_back(sessions: Sessions) -> None:
    ids = queue_emails(sessions, 10)
    stop = threading.Event()
    relay = Relay(lambda _: stop.set())

    report = run(sessions, relay, stop=stop)

    assert report.ended is Ended.STOPPED
    assert 1 <= report.sent == len(relay.taken) < 10
    assert {status(sessions, id_) for id_ in ids if id_ not in relay.taken} == {"queued"}
    with reading(sessions) as session:
        assert set(session.scalars(select(Email.retry_count))) == {0}
    assert run(sessions, Relay()).sent == 10 - report.sent


# trouble with the database


def test_without_a_committed_mark_nothing_is_handed_over(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = queue_emails(sessions, 4)
    failures = iter([OperationalError("COMMIT", {}, Exception("away"))])

    def fail_once(*arguments: Any) -> set[int]:
        for failure in failures:
            raise failure
        return grant_marks(*arguments)

    monkeypatch.setattr("comms.services.sending.records.grant_marks", fail_once)
    relay = Relay()

    report = run(sessions, relay, policy=replace(QUICK, connections=1))

    assert (relay.taken, report.ended) == ([], Ended.DATABASE)
    assert {status(sessions, id_) for id_ in ids} == {"queued"}


def test_a_result_that_could_not_be_written_at_first_is_written_later(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from comms.services.sending.settle import settle

    [id_] = queue_emails(sessions, 1)
    failures = iter([OperationalError("UPDATE", {}, Exception("away"))] * 3)

    def fail_at_first(session: Any, owner: str, results: Any, *rest: Any) -> Any:
        for failure in failures if results else ():
            raise failure
        return settle(session, owner, results, *rest)

    monkeypatch.setattr("comms.services.sending.records.settle", fail_at_first)

    assert run(sessions, Relay()).sent == 1
    assert status(sessions, id_) == "sent"


def test_a_bug_in_a_connection_ends_the_run_loudly_and_loses_nothing(sessions: Sessions) -> None:
    ids = queue_emails(sessions, 5)

    def stumble(_: Letter) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(sessions, Relay(stumble))
    let_lease_run_out(sessions)
    assert run(sessions, Relay()).sent == len(ids)
