"""The kill switch of sending."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from comms.services.pause import pause_sending, resume_sending, sending_paused
from comms.store.engines import make_engine
from comms.store.models import StaffSetting
from comms.store.session import Sessions, make_sessions, reading, writing
from comms.store.staff import raise_item
from tests.factories import NOW
from tests.services.email_rows import audited, staff_items

ME = "cli:test"


def test_sending_goes_on_where_nobody_ever_paused_it(sessions: Sessions) -> None:
    with reading(sessions) as session:
        assert not sending_paused(session)


def test_a_pause_survives_a_restart(engine: Engine) -> None:
    with writing(make_sessions(engine)) as session:
        pause_sending(session, ME, NOW, "the relay is being moved")
    restarted = make_engine(engine.url)
    with reading(make_sessions(restarted)) as session:
        assert sending_paused(session)
    restarted.dispose()


def test_a_pause_seen_once_is_not_remembered_after_the_end_of_it(sessions: Sessions) -> None:
    with writing(sessions) as session:
        pause_sending(session, ME, NOW)
        assert sending_paused(session)
        resume_sending(session, ME, NOW)
        assert not sending_paused(session)


def test_pausing_twice_keeps_who_and_why_of_the_last_time(sessions: Sessions) -> None:
    with writing(sessions) as session:
        pause_sending(session, "sender", NOW, "configuration")
        pause_sending(session, ME, NOW + timedelta(hours=1), "wait for the certificate")
        setting = session.get_one(StaffSetting, "sending_paused", populate_existing=True)
        assert (setting.updated_by, setting.note) == (ME, "wait for the certificate")
        assert audited(session) == [("sender", "sending.pause", None), (ME, "sending.pause", None)]


def test_resuming_takes_the_faults_of_the_channel_off_the_staff_list_and_nothing_else(sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "channel", 0, "channel_misconfigured", NOW)
        raise_item(session, "email", 1, "email_failed", NOW)
        resume_sending(session, ME, NOW)
        assert staff_items(session) == {("email", 1, "email_failed")}
