"""Signs of life, and what is concluded from them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from comms.services import job_runs
from comms.services.heartbeats import FAILING, KAFKA, OK, Beat, beat
from comms.services.inbox import receive
from comms.services.job_runs import DAILY_BATCH, FOLLOW_UPS, HANDLE_EVENTS, RELAY_EVENTS, SEND_QUEUE, LastRun
from comms.services.pause import pause_sending
from comms.services.readiness import AWAY, OVERDUE, Readiness, State, Status, judge_beat, judge_job, look
from comms.store.engines import clock, make_engine
from comms.store.session import Sessions, make_sessions, writing
from tests.factories import NOW, number
from tests.services.messages import event

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def looked(sessions: Sessions, *, kafka: bool = False) -> Readiness:
    return look(sessions.kw["bind"], sessions, kafka=kafka)


def ran(sessions: Sessions, job: str, ago: timedelta, *, failed: bool | None = False) -> None:
    """Note a run that began so long ago; `failed` None: it is still under way."""
    with writing(sessions) as session:
        at = clock(session) - ago
        job_runs.start_run(session, job, f"{job}-{ago}", at, at)
        if failed is not None:
            job_runs.finish_run(session, job, f"{job}-{ago}", {}, at, failed=failed)


def test_a_service_just_installed_is_ready_and_nothing_ever_ran(sessions: Sessions) -> None:
    found = looked(sessions)
    assert found.status is Status.OK
    assert {check.state for check in (found.checks.mail, *found.checks.jobs.values())} == {State.NEVER}
    assert found.checks.kafka is None


@pytest.mark.parametrize(
    ("job", "ago", "failed", "state"),
    [
        (DAILY_BATCH, 25 * HOUR, False, State.OK),
        (DAILY_BATCH, 27 * HOUR, False, State.OVERDUE),
        (DAILY_BATCH, 27 * HOUR, True, State.OVERDUE),
        (FOLLOW_UPS, HOUR, True, State.FAILED),
        (SEND_QUEUE, 9 * MINUTE, None, State.RUNNING),
        (SEND_QUEUE, 11 * MINUTE, None, State.OVERDUE),
    ],
)
def test_a_job_is_judged_by_its_last_run(
    sessions: Sessions, job: str, ago: timedelta, failed: bool | None, state: State
) -> None:
    ran(sessions, job, 40 * HOUR, failed=True)
    ran(sessions, job, ago, failed=failed)
    found = looked(sessions)
    assert found.checks.jobs[job].state is state
    assert found.checks.jobs[job].age_seconds == pytest.approx(ago.total_seconds(), abs=60)
    assert found.status is (Status.OK if state in (State.OK, State.RUNNING) else Status.DEGRADED)


@pytest.mark.parametrize(("ago", "state"), [(24 * MINUTE, State.OK), (26 * MINUTE, State.OVERDUE)])
def test_the_sweep_of_events_is_judged_only_where_there_is_kafka(
    sessions: Sessions, ago: timedelta, state: State
) -> None:
    ran(sessions, RELAY_EVENTS, ago)
    assert looked(sessions, kafka=True).checks.jobs[RELAY_EVENTS].state is state
    assert RELAY_EVENTS not in looked(sessions).checks.jobs


def test_the_handler_is_overdue_when_events_wait_for_it_however_long_ago_it_ran(sessions: Sessions) -> None:
    ran(sessions, HANDLE_EVENTS, 40 * HOUR)
    assert looked(sessions, kafka=True).checks.jobs[HANDLE_EVENTS].state is State.OK
    with writing(sessions) as session:
        now = clock(session)
        receive(session, [event("patient.created", patient_id=number())], now - 9 * MINUTE)
        receive(session, [event("match.status_changed", match_id=number(), new_status="offen")], now - HOUR)
    assert looked(sessions, kafka=True).status is Status.OK
    with writing(sessions) as session:
        receive(session, [event("patient.created", patient_id=number())], now - 11 * MINUTE)
    found = looked(sessions, kafka=True)
    assert (found.status, found.checks.jobs[HANDLE_EVENTS].code) == (Status.DEGRADED, "events_wait")


def test_a_bound_is_reached_only_when_it_has_passed() -> None:
    for bound in OVERDUE.values():
        run = LastRun("key", NOW - bound, NOW, "completed")
        assert judge_job(run, NOW, bound).state is State.OK
        assert judge_job(run, NOW + timedelta(microseconds=1), bound).state is State.OVERDUE


def test_a_clock_that_runs_behind_makes_nothing_younger_than_new() -> None:
    assert judge_beat(Beat(NOW + MINUTE, OK, None), NOW).age_seconds == 0


def test_a_pause_is_told_with_its_age(sessions: Sessions) -> None:
    with writing(sessions) as session:
        pause_sending(session, "cli:test", clock(session) - HOUR, "a note with a name: Frau Müller")
    found = looked(sessions)
    assert (found.status, found.checks.sending.state) == (Status.DEGRADED, State.PAUSED)
    assert found.checks.sending.age_seconds == pytest.approx(3600, abs=60)
    assert "Müller" not in repr(found)


def test_kafka_counts_only_where_it_is_configured(sessions: Sessions) -> None:
    with writing(sessions) as session:
        beat(session, KAFKA, FAILING, "unreachable", clock(session))
    assert looked(sessions).status is Status.OK
    found = looked(sessions, kafka=True)
    assert found.checks.kafka is not None
    assert (found.status, found.checks.kafka.state, found.checks.kafka.code) == (
        Status.DEGRADED, State.FAILING, "unreachable",
    )  # fmt: skip


def test_a_schema_of_another_version_is_told_apart_from_a_database_that_is_away(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/none.db")
    found = look(engine, make_sessions(engine), kafka=False)
    assert found.status is Status.UNAVAILABLE
    assert (found.checks.database.state, found.checks.migrations.code) == (State.OK, "database_not_ready")


def test_a_database_that_is_away_is_an_answer() -> None:
    engine = make_engine("postgresql://anja:geheim@127.0.0.1:1/praxis")
    assert look(engine, make_sessions(engine), kafka=False) == AWAY
