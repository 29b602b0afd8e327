"""What the platform is told: every request in progress is in progress there too, however often the way is barred."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from comms.gateways.platform import HttpDirectory
from comms.services.platform import tell_platform
from comms.services.platform.updates import next_attempt_at
from comms.store.models import PlacementRequest
from comms.store.session import Sessions, writing
from tests.factories import NOW, make_email, make_request, make_therapist
from tests.gateways.platform import HASTY, settings
from tests.servers.platform import LIST, PUT, Answer, Asked, PlatformServer, german_patient, german_therapist
from tests.servers.platform import german_request as german
from tests.services.platform import sync, tell, updates

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as running:
        running.requests = [german(301, 201, 101), german(302, 202, 101)]
        running.therapists = {101: german_therapist(101)}
        running.patients = {201: german_patient(201), 202: german_patient(202)}
        yield running


@pytest.fixture(autouse=True)
def rows(sessions: Sessions, server: PlatformServer) -> None:
    """Both requests came from the platform, 301 is in an email."""
    sync(sessions, server, NOW - HOUR)
    with writing(sessions) as session:
        request = session.get_one(PlacementRequest, 301)
        therapist = make_therapist(session, id=999)
        make_email(session, therapist, [request])
    server.asked.clear()


def change(sessions: Sessions, id_: int, status: str) -> None:
    """As another process may do it at any time."""
    reason = None if status in ("open", "in_progress") else "patient_placed"
    with writing(sessions) as session:
        request = session.get_one(PlacementRequest, id_)
        request.status, request.status_reason, request.closed_at = status, reason, NOW if reason else None


def told(server: PlatformServer) -> list[int | None]:
    return [asked.id for asked in server.asked if asked.what == PUT]


def test_what_is_in_emails_is_in_progress_at_the_platform_and_told_once(
    sessions: Sessions, server: PlatformServer
) -> None:
    assert tell(sessions, server) == {"told": 1, "untold": 0, "faults": {}}
    assert [request["status"] for request in server.requests] == ["in_bearbeitung", "offen"]

    assert tell(sessions, server, NOW + HOUR) == {"told": 0, "untold": 0, "faults": {}}
    assert told(server) == [301]
    assert updates(sessions) == [(301, 1, None, True)]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(500), "status_500"),
        (Answer(404), "unknown"),
        (Answer(200, silence=60), "timeout"),
        (Answer(409), "status_409"),
    ],
)
def test_what_the_platform_did_not_take_is_told_again_later(
    sessions: Sessions, server: PlatformServer, answer: Answer, fault: str
) -> None:
    server.script[PUT] = answer

    counts = tell(sessions, server, **HASTY)

    assert counts == {"told": 0, "untold": 1, "faults": {f"matching_{fault}": 1}}
    assert updates(sessions) == [(301, 1, fault, False)]
    server.script.clear()
    assert tell(sessions, server, NOW + MINUTE - timedelta(seconds=1)) == {"told": 0, "untold": 1, "faults": {}}
    assert tell(sessions, server, NOW + MINUTE) == {"told": 1, "untold": 0, "faults": {}}
    assert updates(sessions) == [(301, 2, None, True)]


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 60), (5, 360), (6, 1440), (99, 1440)])
def test_the_pauses_grow_to_a_day_and_never_end(attempts: int, minutes: int) -> None:
    assert next_attempt_at(attempts, NOW) == NOW + minutes * MINUTE


def test_what_was_not_asked_counts_as_no_attempt(sessions: Sessions, server: PlatformServer) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        for _ in range(20):
            make_request(session, therapist, status="in_progress")
    server.script[PUT] = Answer(503)

    counts = tell(sessions, server, connections=1)

    assert counts == {"told": 0, "untold": 21, "faults": {"matching_status_503": 3, "matching_gave_up": 18}}
    assert sorted(attempts for _, attempts, _, _ in updates(sessions)) == [0] * 18 + [1] * 3


def test_a_request_that_was_answered_meanwhile_is_left_alone(sessions: Sessions, server: PlatformServer) -> None:
    server.script[PUT] = Answer(500)
    tell(sessions, server)
    server.script.clear()
    change(sessions, 301, "withdrawn")

    assert tell(sessions, server, NOW + HOUR) == {"told": 0, "untold": 0, "faults": {}}
    assert told(server) == [301]


def test_a_request_that_comes_into_progress_again_is_told_where_the_platform_had_not_heard(
    sessions: Sessions, server: PlatformServer
) -> None:
    server.script[PUT] = Answer(500)
    tell(sessions, server)
    server.script.clear()
    change(sessions, 301, "open")
    assert tell(sessions, server, NOW + HOUR)["told"] == 0
    change(sessions, 301, "in_progress")

    assert tell(sessions, server, NOW + 2 * HOUR)["told"] == 1


def test_what_the_platform_calls_open_again_is_told_again(sessions: Sessions, server: PlatformServer) -> None:
    tell(sessions, server)
    server.requests[0]["status"] = "offen"

    sync(sessions, server, NOW + HOUR)

    assert tell(sessions, server, NOW + HOUR)["told"] == 1
    assert told(server) == [301, 301]


def test_a_put_whose_answer_was_lost_is_not_repeated_once_the_list_shows_that_it_arrived(
    sessions: Sessions, server: PlatformServer
) -> None:
    def take_and_say_nothing(asked: Asked) -> Answer:
        server.requests[0] |= asked.body
        return Answer(500)

    server.script[PUT] = take_and_say_nothing
    tell(sessions, server)

    sync(sessions, server, NOW + HOUR)

    assert tell(sessions, server, NOW + HOUR) == {"told": 0, "untold": 0, "faults": {}}
    assert updates(sessions) == [(301, 1, "no_longer_open", True)]


def test_a_newer_word_of_the_platform_is_not_overwritten(sessions: Sessions, server: PlatformServer) -> None:
    server.script[PUT] = Answer(500)
    tell(sessions, server)
    server.script.clear()
    server.requests[0]["status"] = "abgelehnt"

    sync(sessions, server, NOW + HOUR)
    tell(sessions, server, NOW + HOUR)

    assert server.requests[0]["status"] == "abgelehnt"


@pytest.mark.parametrize("answer", [Answer(500), Answer(200, b"[]")])
def test_a_list_that_proves_nothing_ends_no_attempt(sessions: Sessions, server: PlatformServer, answer: Answer) -> None:
    server.script |= {PUT: Answer(500), LIST: answer}
    tell(sessions, server)
    sync(sessions, server, NOW + HOUR)
    del server.script[PUT]

    assert tell(sessions, server, NOW + HOUR)["told"] == 1


def test_a_process_that_dies_after_the_put_makes_a_second_put_and_no_harm(
    sessions: Sessions, server: PlatformServer
) -> None:
    class Killed(HttpDirectory):
        def put_in_progress(self, request_ids: object) -> dict[int, str | None]:
            super().put_in_progress([301])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Killed(settings(server.url)) as directory:
        tell_platform(sessions, directory, NOW)

    assert tell(sessions, server)["told"] == 1
    assert told(server) == [301, 301]
    assert updates(sessions) == [(301, 1, None, True)]


@pytest.mark.slow
def test_thousands_are_told_in_portions(sessions: Sessions, server: PlatformServer) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        ids = [make_request(session, therapist, status="in_progress").id for _ in range(250)]
    server.script[PUT] = Answer(200)

    assert tell(sessions, server)["told"] == 251
    assert sorted(told(server), key=lambda id_: id_ or 0) == sorted([301, *ids])


def test_without_a_matching_service_nothing_is_noted(sessions: Sessions, server: PlatformServer) -> None:
    assert tell(sessions, server, matching_url="") == {"told": 0, "untold": 0, "faults": {}}
    assert updates(sessions) == []


def test_telling_leaves_no_transaction_open_during_a_call(sessions: Sessions, server: PlatformServer) -> None:
    """SQLite has one writer: another one could not write while the server is asked."""

    def write_meanwhile(_asked: Asked) -> None:
        change(sessions, 302, "in_progress")

    server.script[PUT] = write_meanwhile

    assert tell(sessions, server)["told"] == 1


def test_failures_in_a_row_are_spread_over_hours(sessions: Sessions, server: PlatformServer) -> None:
    server.script[PUT] = Answer(500)
    for minute in (0, 0, 1, 5, 6, 20, 21, 80, 81):
        tell(sessions, server, NOW + minute * MINUTE)

    assert updates(sessions) == [(301, 5, "status_500", False)]  # at once, then after 1, 5, 15 and 60 minutes more
