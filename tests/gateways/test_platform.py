"""The platform's services over HTTP: what is understood, and how every kind of trouble is named and bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import monotonic

import pytest
from pydantic import SecretStr

from comms.gateways.platform import HttpDirectory
from comms.gateways.platform.line import FAULTS_IN_A_ROW, MAX_BYTES
from comms.ports import PlatformService
from tests.gateways.platform import HASTY, settings
from tests.servers.platform import (
    LIST,
    PATIENT,
    PUT,
    THERAPIST,
    Answer,
    PlatformServer,
    as_json,
    german_patient,
    german_request,
    german_therapist,
)
from tests.servers.processes import free_port


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as running:
        running.therapists = {101: german_therapist(101)}
        running.patients = {id_: german_patient(id_) for id_ in range(201, 241)}
        running.requests = [german_request(301, 201, 101), german_request(302, 202, 101)]
        yield running


@pytest.fixture
def directory(server: PlatformServer) -> Iterator[HttpDirectory]:
    with HttpDirectory(settings(server.url)) as opened:
        yield opened


def fault_of(directory: HttpDirectory, id_: int = 101) -> str | None:
    (found,) = directory.facts(PlatformService.THERAPIST, [id_])
    assert (found.fault is None) != (found.fields is None)
    return found.fault


def test_a_page_of_open_requests_is_asked_for_as_the_contract_says(
    server: PlatformServer, directory: HttpDirectory
) -> None:
    server.requests.append(german_request(303, 203, 101, status="angenommen"))

    page = directory.open_requests(1, 100)

    assert page.fault is None
    assert page.rows == server.requests[:2]
    assert server.asked[0].query == {"status": "offen", "page": "1", "limit": "100"}


def test_facts_come_as_the_platform_wrote_them_in_the_order_of_the_question(
    server: PlatformServer, directory: HttpDirectory
) -> None:
    ids = [240, 201, 220]

    found = directory.facts(PlatformService.PATIENT, ids)

    assert [facts.fields for facts in found] == [german_patient(id_) for id_ in ids]


def test_a_request_is_set_in_progress_and_doing_it_twice_is_harmless(
    server: PlatformServer, directory: HttpDirectory
) -> None:
    for _ in range(2):
        assert directory.put_in_progress([301, 302]) == {301: None, 302: None}

    assert {request["status"] for request in server.requests} == {"in_bearbeitung"}
    assert server.asked[0].body == {"status": "in_bearbeitung"}


def test_many_questions_share_a_few_connections(server: PlatformServer, directory: HttpDirectory) -> None:
    for _ in range(3):
        assert all(facts.fields for facts in directory.facts(PlatformService.PATIENT, range(201, 241)))

    assert 1 < server.connections <= 8


def test_a_base_url_may_have_a_path(server: PlatformServer) -> None:
    with HttpDirectory(settings(server.url + "/matching/v1")) as directory:
        assert directory.open_requests(1, 100).fault is None

    assert server.asked[0].path == "/matching/v1/api/placement-requests"


NOBODY = dict.fromkeys(german_therapist(1))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(404, b'{"message": "not found"}'), "unknown"),
        (Answer(410), "unknown"),
        (as_json(NOBODY), "unknown"),
        (as_json(NOBODY | {"id": 0, "plz": 0, "vorname": ""}), "unknown"),
        (as_json(NOBODY | {"id": 101, "plz": 0, "potenziell_verfuegbar": False}), "unknown"),
        (as_json(german_therapist(102)), "unknown"),
        (as_json(german_therapist(101) | {"id": True}), "unknown"),
        (as_json({"message": "not found"}), "unknown"),
        (Answer(500, b'{"id": 101}'), "status_500"),
        (Answer(503), "status_503"),
        (Answer(401), "status_401"),
        (Answer(429), "status_429"),
        (Answer(302, headers={"Location": "/api/therapists/101"}), "redirect"),
        (Answer(200, b'{"id": 101, "nachname": "M'), "not_json"),
        (Answer(200, b""), "not_json"),
        (Answer(200, b"<html>Login</html>"), "not_json"),
        (Answer(200, b'{"id": 101, "nachname": "M\xfcller"}'), "not_json"),
        (Answer(200, b'{"id": 101, "plz": NaN}'), "not_json"),
        (Answer(200, b'{"id": 101, "plz": 1e999}'), "not_json"),
        (Answer(200, b'{"id": 101, "plz": ' + b"9" * 5000 + b"}"), "not_json"),
        (Answer(200, b'{"id": 101, "email": "a@b.example", "email": "c@d.example"}'), "not_json"),
        (Answer(200, b"[" * 100_000), "not_json"),
        (as_json([german_therapist(101)]), "wrong_shape"),
        (as_json(None), "wrong_shape"),
        (as_json("101"), "wrong_shape"),
        (Answer(200, b'{"id": 101}', claims=500), "cut_off"),
        (Answer(200, b" " * (MAX_BYTES + 1)), "too_large"),
    ],
)
def test_trouble_has_a_name(server: PlatformServer, directory: HttpDirectory, answer: Answer, fault: str) -> None:
    server.script[THERAPIST] = answer

    assert fault_of(directory) == fault


SLOWLY = json.dumps(german_therapist(101)).encode()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, SLOWLY, silence=60),
        Answer(200, SLOWLY, trickle=0.1),
        Answer(200, SLOWLY, trickle=0.1, prompt_head=True),
    ],
    ids=["silence", "byte by byte", "content byte by byte"],
)
def test_what_takes_too_long_is_given_up_after_the_time_that_a_call_may_take(
    server: PlatformServer, answer: Answer
) -> None:
    server.script[THERAPIST] = answer
    begun = monotonic()
    with HttpDirectory(settings(server.url, **HASTY)) as directory:
        assert fault_of(directory) == "timeout"

    assert monotonic() - begun < 5  # the whole answer would take ten times as long


def test_a_redirect_leads_nowhere(server: PlatformServer, directory: HttpDirectory) -> None:
    with PlatformServer() as elsewhere:
        server.script[THERAPIST] = Answer(307, headers={"Location": f"{elsewhere.url}/api/therapists/101"})

        assert fault_of(directory) == "redirect"
        assert elsewhere.asked == []


@pytest.mark.parametrize("answer", [Answer(500), Answer(302), Answer(200, b"{"), as_json({"data": []}), Answer(404)])
def test_a_page_that_cannot_be_used_has_no_rows_and_a_fault(
    server: PlatformServer, directory: HttpDirectory, answer: Answer
) -> None:
    server.script[LIST] = answer

    page = directory.open_requests(1, 100)

    assert not page.rows
    assert page.fault


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(204), None),
        (Answer(200, b"not JSON"), None),
        (Answer(404), "unknown"),
        (Answer(409), "status_409"),
        (Answer(303), "redirect"),
    ],
)
def test_of_a_put_only_the_status_counts(
    server: PlatformServer, directory: HttpDirectory, answer: Answer, fault: str | None
) -> None:
    server.script[PUT] = answer

    assert directory.put_in_progress([301]) == {301: fault}


def test_nobody_there_is_refused() -> None:
    with HttpDirectory(settings(f"http://127.0.0.1:{free_port()}")) as directory:
        assert fault_of(directory) == "refused"


def test_a_name_that_leads_nowhere_is_refused() -> None:
    with HttpDirectory(settings("http://nowhere.invalid")) as directory:
        assert fault_of(directory) == "refused"


def test_a_service_that_is_not_configured_is_not_asked(server: PlatformServer) -> None:
    with HttpDirectory(settings(server.url, therapist_url="")) as directory:
        assert directory.services == {PlatformService.MATCHING, PlatformService.PATIENT}
        assert fault_of(directory) == "not_configured"


def test_after_several_faults_in_a_row_a_service_is_left_alone_and_the_others_are_not(
    server: PlatformServer, directory: HttpDirectory
) -> None:
    server.script[PATIENT] = Answer(500)

    first = directory.facts(PlatformService.PATIENT, range(201, 241))
    again = directory.facts(PlatformService.PATIENT, [201])

    assert {facts.fault for facts in first} == {"status_500", "gave_up"}
    assert [facts.fault for facts in again] == ["gave_up"]
    assert server.count(PATIENT) <= FAULTS_IN_A_ROW + 7
    assert fault_of(directory) is None


def test_slow_answers_end_with_the_first_row_of_them(server: PlatformServer) -> None:
    server.script[PATIENT] = Answer(200, silence=60)
    with HttpDirectory(settings(server.url, **HASTY)) as directory:
        directory.facts(PlatformService.PATIENT, range(201, 241))

    assert server.count(PATIENT) <= 16  # eight at once, and those that began before the third fault was known


def test_unknown_ids_are_good_answers(server: PlatformServer, directory: HttpDirectory) -> None:
    found = directory.facts(PlatformService.THERAPIST, [1, 2, 3, 4, 5, 6, 101])

    assert [facts.fault for facts in found] == ["unknown"] * 6 + [None]


def test_a_service_that_takes_too_long_in_all_is_left_alone_until_the_next_run(server: PlatformServer) -> None:
    server.script[PATIENT] = lambda asked: Answer(200, json.dumps(german_patient(asked.id or 0)).encode(), silence=0.1)
    with HttpDirectory(settings(server.url, run_seconds=0.5, connections=1)) as directory:
        found = directory.facts(PlatformService.PATIENT, range(201, 241))

    assert found[0].fault is None
    assert {facts.fault for facts in found[6:]} == {"out_of_time"}
    assert server.count(PATIENT) <= 6


def test_a_connection_that_the_other_side_closed_meanwhile_is_opened_anew(
    server: PlatformServer, directory: HttpDirectory
) -> None:
    closing: list[Answer] = [Answer(200, b"{", claims=5)]
    server.script[THERAPIST] = lambda _asked: closing.pop() if closing else None

    assert fault_of(directory) is None
    assert server.count(THERAPIST) == 2


def test_the_token_goes_with_every_call_and_proxies_of_the_environment_see_none(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with HttpDirectory(settings(server.url, token=SecretStr("s3cret"))) as directory:
        assert directory.open_requests(1, 100).fault is None
        assert directory.put_in_progress([301]) == {301: None}

    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer s3cret"}
