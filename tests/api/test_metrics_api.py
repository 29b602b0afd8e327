"""What Prometheus reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, event, insert, update

from api.building import create_app
from comms.config import Settings
from comms.rules.contact import Reason
from comms.services import job_runs
from comms.services.batching import plan_run
from comms.services.figures import read_figures
from comms.services.heartbeats import FAILING, MAIL, beat
from comms.services.inbox import handle_events, receive
from comms.services.pause import pause_sending
from comms.store.engines import clock, make_engine
from comms.store.models import DeadLetter, Email, OutboxEvent, PhoneCall
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item
from tests.api.conftest import Client
from tests.factories import make_request, make_therapist, number
from tests.services.email_rows import call_about, email_in
from tests.services.messages import event as said
from tests.services.messages import message

HOUR = timedelta(hours=1)
Numbers = dict[tuple[str, ...], float]


def scrape(client: TestClient) -> Numbers:
    """Every sample: its name and label values, sorted by label."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def now_of(sessions: Sessions) -> datetime:
    with reading(sessions) as session:
        return clock(session)


def test_an_empty_service_counts_nothing_and_leaves_nothing_out(client: TestClient) -> None:
    found = scrape(client)
    for status in ("draft", "queued", "sending", "in_doubt"):
        assert found["comms_emails_waiting", status] == 0
        assert found["comms_emails_waiting_oldest_seconds", status] == 0
    assert {reason: found["comms_therapists_refused", reason] for reason in Reason} == dict.fromkeys(Reason, 0)
    assert found["comms_staff_items", "email_in_doubt"] == 0
    assert (found["comms_calls", "scheduled"], found["comms_calls", "overdue"]) == (0, 0)
    assert (found["comms_outbox_events", "unpublished"], found["comms_outbox_oldest_seconds",]) == (0, 0)
    assert found["comms_sending_paused",] == 0


def test_emails_that_wait_are_counted_with_the_age_of_the_oldest(client: TestClient, sessions: Sessions) -> None:
    now = now_of(sessions)
    with writing(sessions) as session:
        for status in ("queued", "queued", "in_doubt", "sent", "failed", "draft"):
            email_in(session, status, queued_at=now - HOUR, created_at=now - 3 * HOUR)
        session.execute(update(Email).where(Email.status == "in_doubt").values(handed_over_at=now - 2 * HOUR))
        session.execute(update(Email).where(Email.status == "draft").values(queued_at=None))
    found = scrape(client)
    assert [found["comms_emails_waiting", status] for status in ("draft", "queued", "in_doubt")] == [1, 2, 1]
    oldest = [found["comms_emails_waiting_oldest_seconds", status] for status in ("draft", "queued", "in_doubt")]
    assert oldest == pytest.approx([3 * 3600, 3600, 2 * 3600], abs=60)


def test_refusals_are_those_of_the_last_daily_batch(client: TestClient, sessions: Sessions, settings: Settings) -> None:
    now = now_of(sessions)
    with writing(sessions) as session:
        for status in ("blocked", "blocked", "inactive", "active"):
            make_request(session, make_therapist(session, status=status))
    for key in ("yesterday", "today"):
        plan_run(sessions, now, settings.contact_policy(), key)
        with writing(sessions) as session:
            job_runs.start_run(session, job_runs.DAILY_BATCH, key, now, now)
    found = scrape(client)
    assert [found["comms_therapists_refused", reason] for reason in ("blocked", "inactive", "cooling_period")] == [
        2, 1, 0,
    ]  # fmt: skip


def test_calls_that_are_past_without_a_note_are_overdue(client: TestClient, sessions: Sessions) -> None:
    now = now_of(sessions)
    with writing(sessions) as session:
        for ahead in (HOUR, 2 * HOUR, -HOUR):
            therapist = make_therapist(session)
            call = call_about(session, therapist.id, make_request(session, therapist).id)
            session.execute(update(PhoneCall).where(PhoneCall.id == call.id).values(starts_at=now + ahead))
    found = scrape(client)
    assert (found["comms_calls", "scheduled"], found["comms_calls", "overdue"]) == (2, 1)


def test_events_that_are_not_published_lag(client: TestClient, sessions: Sessions) -> None:
    now = now_of(sessions)
    with writing(sessions) as session:
        session.execute(
            insert(OutboxEvent),
            [
                {"event_id": str(number()), "event_type": "x", "key": "email:1", "payload": {}, "attempts": 0}
                | {"created_at": now - age, "published_at": published, "parked_at": parked}
                for age, published, parked in (
                    (HOUR, None, None), (2 * HOUR, None, None), (9 * HOUR, now, None), (9 * HOUR, None, now),
                )
            ],
        )  # fmt: skip
    found = scrape(client)
    assert (found["comms_outbox_events", "unpublished"], found["comms_outbox_events", "parked"]) == (2, 1)
    assert found["comms_outbox_oldest_seconds",] == pytest.approx(7200, abs=60)


def test_events_of_the_platform_are_counted_until_they_are_applied_and_dead_letters_until_they_are_replayed(
    client: TestClient, sessions: Sessions
) -> None:
    with writing(sessions) as session:
        receive(session, [said("patient.created", patient_id=number()), message(b"{"), message(None)], clock(session))
    found = scrape(client)
    assert (found["comms_inbox_events",], found["comms_dead_letters",]) == (1, 2)
    handle_events(sessions)
    with writing(sessions) as session:
        session.execute(update(DeadLetter).values(replayed_at=clock(session)))
    found = scrape(client)
    assert (found["comms_inbox_events",], found["comms_dead_letters",]) == (0, 0)


def test_what_needs_a_person_the_switch_the_jobs_and_the_relay_are_told(client: TestClient, sessions: Sessions) -> None:
    now = now_of(sessions)
    with writing(sessions) as session:
        raise_item(session, "email", 1, "email_failed", now)
        raise_item(session, "therapist", 1, "no_slot", now, shown_from=now + HOUR)
        pause_sending(session, "test", now)
        beat(session, MAIL, FAILING, "connect refused", now)
        job_runs.start_run(session, job_runs.SEND_QUEUE, "key", now, now - HOUR)
        job_runs.finish_run(session, job_runs.SEND_QUEUE, "key", {}, now, failed=True)
    found = scrape(client)
    assert (found["comms_staff_items", "email_failed"], found["comms_staff_items", "no_slot"]) == (1, 0)
    assert (found["comms_sending_paused",], found["comms_part_healthy", "mail"]) == (1, 0)
    assert found["comms_job_start_timestamp_seconds", "send-queue"] == pytest.approx((now - HOUR).timestamp(), abs=1)
    assert found["comms_job_end_timestamp_seconds", "send-queue"] == pytest.approx(now.timestamp(), abs=1)
    assert [found["comms_job_state", "send-queue", state] for state in ("completed", "failed")] == [0, 1]


def test_requests_are_counted_by_route_and_never_by_what_was_asked_for(client: TestClient) -> None:
    client.get("/api/emails/4711")
    client.get("/api/suppressions?mailbox=praxis@therapie.example")
    client.get("/nowhere/4711")
    shown = client.get("/metrics").text
    assert 'count{method="GET",route="/api/emails/{email_id}",status="404"} 1.0' in shown
    assert 'route="-",status="404"' in shown
    assert "4711" not in shown
    assert "praxis" not in shown


def test_only_operators_read_them(client_with: Client) -> None:
    assert client_with().get("/metrics").status_code == 401
    assert client_with("read", "write", "content").get("/metrics").status_code == 403
    answer = client_with("ops").get("/metrics")
    assert (answer.status_code, answer.headers["content-type"][:10]) == (200, "text/plain")


def test_without_the_database_there_is_no_half_of_a_page(tmp_path: Path, settings: Settings) -> None:
    engine = make_engine("postgresql://anja:geheim@127.0.0.1:1/praxis")
    client = TestClient(create_app(settings, engine), headers={"Authorization": "Bearer comms_x"})
    answer = client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "comms_emails" not in answer.text


def test_a_scrape_takes_as_many_statements_however_much_there_is(engine: Engine, sessions: Sessions) -> None:
    def statements() -> int:
        asked: list[str] = []

        def note(*given: object) -> None:
            asked.append(str(given[2]))

        event.listen(engine, "before_cursor_execute", note)
        with reading(sessions) as session:
            read_figures(session, clock(session))
        event.remove(engine, "before_cursor_execute", note)
        return len(asked)

    before = statements()
    with writing(sessions) as session:
        for status in ("queued", "in_doubt", "draft"):
            email_in(session, status)
        raise_item(session, "email", 1, "email_failed", clock(session))
    assert statements() == before <= 15
