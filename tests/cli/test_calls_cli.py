"""`comms calls …`, as staff type it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from comms import bootstrap
from comms.cli import app
from comms.config import get_config
from comms.errors import BadInput, CommsError, MoveNotAllowed
from comms.rules.hours import WEEKDAYS
from comms.rules.policy import CallPolicy
from comms.services.calls import schedule_follow_up_calls
from comms.store.models import Email, PhoneCall, PlacementRequest
from comms.store.session import Sessions, make_sessions, writing
from tests.factories import WEEK, make_request, make_sent_email, make_therapist
from tests.services.calls import get, places

ALWAYS = {day: [("00:00", "24:00")] for day in WEEKDAYS}
Comms = Callable[..., Result]


@pytest.fixture
def database(empty_sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    monkeypatch.setenv("DATABASE_URL", str(empty_sqlite.url))
    monkeypatch.setenv("COMMS_CALLER_HOURS", "Mo-So 0-24")
    for made_once in (get_config, bootstrap.engine, bootstrap.sessions):
        made_once.cache_clear()
    yield make_sessions(empty_sqlite)
    bootstrap.engine().dispose()
    for made_once in (get_config, bootstrap.engine, bootstrap.sessions):
        made_once.cache_clear()


@pytest.fixture
def comms(database: Sessions) -> Comms:
    def run(*words: object) -> Result:
        return CliRunner().invoke(app, ["calls", *map(str, words)], terminal_width=200)

    return run


@pytest.fixture
def call(database: Sessions) -> SimpleNamespace:
    """A call that was to be ten minutes ago, about one email with two requests."""
    then = datetime.now(UTC) - timedelta(minutes=10)
    policy = CallPolicy(lead=timedelta(0), caller_hours=ALWAYS)
    with writing(database) as session:
        therapist = make_therapist(session, phone_availability={day: [["00:00", "24:00"]] for day in WEEKDAYS})
        requests = [make_request(session, therapist) for _ in range(2)]
        email = make_sent_email(session, therapist, requests, at=then - WEEK)
    (call_id,) = schedule_follow_up_calls(database, then, policy).call_ids
    return SimpleNamespace(id=call_id, email=email.id, requests=[request.id for request in requests])


def refused(result: Result) -> CommsError:
    assert isinstance(result.exception, CommsError), result.output
    return result.exception


def test_the_call_list_shows_whom_to_call(comms: Comms, call: SimpleNamespace) -> None:
    (line,) = json.loads(comms("list", "--json").stdout)
    assert (line["id"], line["status"], line["requests"]) == (call.id, "scheduled", 2)
    assert (line["therapist"], line["phone"]) == ("Dr. Andrea Müller", "+49301234567")
    assert "scheduled" in comms("list").stdout
    assert json.loads(comms("list", "--json", "--status", "failed").stdout) == []
    assert json.loads(comms("list", "--json", "--date", "2001-01-01").stdout) == []


def test_one_call_is_shown_with_its_requests(comms: Comms, call: SimpleNamespace) -> None:
    shown = json.loads(comms("show", call.id, "--json").stdout)
    assert [request["request_id"] for request in shown["requests"]] == call.requests
    assert str(call.requests[0]) in comms("show", call.id).stdout


def test_complete_notes_answers_and_says_what_is_missing(
    comms: Comms, call: SimpleNamespace, database: Sessions
) -> None:
    one, other = call.requests
    result = comms("complete", call.id, "--answer", f"{one}=accepted", "--outcome", "Erstgespräch am Montag")
    assert f"on the staff list: {other}" in result.stdout
    noted = get(database, PhoneCall, call.id)
    assert (noted.status, noted.outcome) == ("completed", "Erstgespräch am Montag")
    assert get(database, PlacementRequest, one).status == "accepted"
    assert get(database, Email, call.email).closed_at
    later = comms("respond", call.id, "--answer", f"{other}=needs-follow-up")
    assert "recorded" in later.stdout
    assert places(database, call.id)[other].outcome == "needs_follow_up"


def test_one_answer_can_stand_for_all(comms: Comms, call: SimpleNamespace, database: Sessions) -> None:
    assert comms("complete", call.id, "--all", "rejected").exit_code == 0
    assert {get(database, PlacementRequest, id_).status for id_ in call.requests} == {"rejected"}


def test_miss_books_the_next_try_and_complete_cancels_it(comms: Comms, call: SimpleNamespace) -> None:
    assert "next try: call" in comms("miss", call.id).stdout
    assert "is canceled" in comms("complete", call.id).stdout


def test_cancel_says_what_becomes_of_the_requests(comms: Comms, call: SimpleNamespace, database: Sessions) -> None:
    assert comms("cancel", call.id).exit_code == 2
    assert "2 requests withdrawn" in comms("cancel", call.id, "--requests", "withdraw").stdout
    assert {get(database, PlacementRequest, id_).status for id_ in call.requests} == {"withdrawn"}


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["complete", "{id}", "--answer", "999999=accepted"], BadInput, "does not speak of"),
        (["complete", "{id}", "--answer", "x"], BadInput, "17=accepted"),
        (["complete", "{id}", "--answer", "1=maybe"], BadInput, "one of"),
        (["complete", "{id}", "--at", "2999-01-01T10:00"], BadInput, "future"),
        (["complete", "{id}", "--at", "morgen"], BadInput, "not an instant"),
        (["miss", "{id}", "--reason", "war krank"], BadInput, "short code"),
        (["miss", "{id}", "--retry-after", "bald"], BadInput, "not an instant"),
        (["list", "--date", "heute"], BadInput, "not a date"),
        (["show", "999999"], CommsError, "there is no phone call 999999"),
        (["schedule", "999999"], CommsError, "there is no email 999999"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(
    comms: Comms, call: SimpleNamespace, database: Sessions, words: list[str], error: type[CommsError], says: str
) -> None:
    found = refused(comms(*(word.format(id=call.id) for word in words)))
    assert isinstance(found, error)
    assert says in str(found)
    assert get(database, PhoneCall, call.id).status == "scheduled"


def test_a_call_that_is_over_cannot_be_missed(comms: Comms, call: SimpleNamespace) -> None:
    comms("complete", call.id)
    assert isinstance(refused(comms("miss", call.id)), MoveNotAllowed)


def test_schedule_books_the_call_for_one_email(comms: Comms, database: Sessions) -> None:
    with writing(database) as session:
        therapist = make_therapist(session, phone_availability={day: [["00:00", "24:00"]] for day in WEEKDAYS})
        email: Any = make_sent_email(
            session, therapist, [make_request(session, therapist)], at=datetime.now(UTC) - WEEK
        )
    assert "Uhr" in comms("schedule", email.id).stdout
