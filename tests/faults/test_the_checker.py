"""The checker can see: each kind of contradiction is found, and a true story has none."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import select, update

from comms.services.events import add_events
from comms.store.models import OutboxEvent
from comms.store.outbox import Story
from comms.store.session import Sessions, writing
from tests.factories import NOW, make_sent_email, make_therapist
from tests.faults.history import Asked, History, Told
from tests.faults.judging import against_clients, against_mail_server, against_topic

SENT = "communication.email_sent"


@pytest.mark.parametrize(
    ("told", "found", "holds"),
    [
        (Told.OK, 1, True), (Told.OK, 0, False), (Told.OK, 2, False),
        (Told.FAILED, 0, True), (Told.FAILED, 1, False),
        (Told.UNKNOWN, 0, True), (Told.UNKNOWN, 1, True), (Told.UNKNOWN, 2, False),
    ],
)  # fmt: skip
def test_ok_is_there_once_failed_never_and_unknown_at_most_once(told: Told, found: int, holds: bool) -> None:
    there = {"email:1": found} if found else {}
    assert (against_clients([Asked("write", "email:1", told)], there) == []) is holds


def test_what_is_asked_again_after_no_answer_is_there_once() -> None:
    again = [Asked("write", "email:1", told) for told in (Told.UNKNOWN, Told.OK)]
    assert against_clients(again, {"email:1": 1}) == []
    assert against_clients(again, {"email:1": 2}) == ["email:1: told ok, found 2 times"]
    assert against_clients([], {"email:1": 1}) == ["email:1: nobody asked for it"]


def test_whoever_is_killed_before_the_answer_leaves_an_unknown_one(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    with history.asking("write", "email:1") as answer:
        answer.told = Told.OK
    child = os.fork()
    if not child:
        with history.asking("write", "email:2"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert history.read() == [Asked("write", "email:1", Told.OK), Asked("write", "email:2", Told.UNKNOWN)]


def test_the_mail_server_is_believed(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = make_sent_email(session, make_therapist(session), at=NOW)
        id_, message_id = email.id, email.message_id
    assert against_mail_server(sessions, [message_id]) == []
    assert against_mail_server(sessions, []) == [f"email {id_}: sent, received 0 times"]
    assert against_mail_server(sessions, [message_id] * 2) == [f"email {id_}: sent, received 2 times"]
    assert against_mail_server(sessions, [message_id, "<x@y>"])[0].startswith("1 emails were received")


def test_the_topic_is_believed(sessions: Sessions) -> None:
    ids = {"email_id": 7, "therapist_id": 1, "placement_request_ids": [], "sent_at": NOW.isoformat()}
    with writing(sessions) as session:
        add_events(session, SENT, [("email:7", ids), ("email:7", ids)], NOW, {"email:7": Story()})
    first, second = _published(sessions)
    assert against_topic(sessions, [first, second, first]) == []
    assert "stands before an older one" in against_topic(sessions, [second, first])[0]
    assert "not on the topic" in against_topic(sessions, [first])[0]
    assert "in no outbox" in against_topic(sessions, [first, second, {"eventId": "x"}])[0]


def _published(sessions: Sessions) -> list[dict[str, str]]:
    with writing(sessions) as session:
        session.execute(update(OutboxEvent).values(published_at=NOW))
        return [{"eventId": id_} for id_ in session.scalars(select(OutboxEvent.event_id).order_by(OutboxEvent.id))]
