"""The API as a process: it ends without losing an answer, survives being killed, and its log tells nothing private."""

from __future__ import annotations

import signal
import socket
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from comms.store.models import Email
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.api.conftest import make_key
from tests.factories import make_email, make_therapist
from tests.local_stack.parts import becomes_true
from tests.servers.uvicorn import Server, uvicorn_server

pytestmark = pytest.mark.slow

GRACEFUL = ("--timeout-graceful-shutdown", "4", "--no-access-log")
BODY = b'{"requests": "reopen", "reason": "asked by phone"}'


@pytest.fixture
def sessions(empty_sqlite: Engine) -> Sessions:
    """On one engine: what is shown here happens before a transaction begins, or after it ended."""
    return make_sessions(empty_sqlite)


@pytest.fixture
def database_url(empty_sqlite: Engine) -> str:
    return str(empty_sqlite.url)


@pytest.fixture
def email(sessions: Sessions) -> Email:
    with writing(sessions) as session:
        return make_email(session, make_therapist(session), status="draft", queued_at=None)


class Canceling:
    """A cancel whose body is half sent: the server is in the middle of it."""

    def __init__(self, server: Server, email: Email, key: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        self._socket.sendall(
            f"POST /api/emails/{email.id}/cancel HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\nExpect: 100-continue\r\n"
            "Idempotency-Key: once\r\n\r\n".encode()
        )
        assert self._socket.recv(100).startswith(b"HTTP/1.1 100 ")
        self._socket.sendall(BODY[:10])

    def finish(self) -> int:
        """Send the rest; the status of the answer."""
        self._socket.sendall(BODY[10:])
        answer = HTTPResponse(self._socket)
        answer.begin()
        answer.read()
        self._socket.close()
        return answer.status


def status_of(sessions: Sessions, email: Email) -> str:
    with reading(sessions) as session:
        return session.get_one(Email, email.id).status


def test_asked_to_end_it_answers_what_it_began_lets_nobody_in_and_waits_for_nobody_for_ever(
    sessions: Sessions, database_url: str, tmp_path: Path, email: Email
) -> None:
    key = make_key(sessions, "write")
    with uvicorn_server(tmp_path, database_url, *GRACEFUL) as server:
        begun, never_ended = Canceling(server, email, key), Canceling(server, email, key)
        server.process.send_signal(signal.SIGTERM)

        assert becomes_true(server.refuses, 10)
        assert begun.finish() == 200
        assert server.process.wait(timeout=10) in (0, -signal.SIGTERM)
        del never_ended
    assert status_of(sessions, email) == "canceled"


def test_killed_in_the_middle_it_starts_again_and_the_repeat_has_one_effect(
    sessions: Sessions, database_url: str, tmp_path: Path, email: Email
) -> None:
    key = make_key(sessions, "write")
    with uvicorn_server(tmp_path, database_url) as first:
        Canceling(first, email, key)
        first.process.kill()
        first.process.wait()
    assert status_of(sessions, email) == "draft"

    with uvicorn_server(tmp_path, database_url, port=first.port) as second:
        assert [Canceling(second, email, key).finish() for _ in range(2)] == [200, 200]
    assert status_of(sessions, email) == "canceled"


def test_its_log_names_routes_and_holds_nothing_that_was_sent(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    key = make_key(sessions, "admin")
    with (
        uvicorn_server(tmp_path, database_url) as server,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}) as client,
    ):
        statuses = [
            client.get("/api/emails", params={"batch_id": "canary"}).status_code,
            client.get("/api/emails", params={"canary@praxis.example": "canary"}).status_code,
            client.get("/api/emails", params={"status": "canary"}).status_code,
            client.get("/api/emails/1").status_code,
            client.post("/api/emails/1/cancel", json={"reason": "canary\x00", "canary": "canary"}).status_code,
            client.post("/api/emails/1/cancel", content="canary", headers={"Idempotency-Key": "canary"}).status_code,
            client.get("/canary").status_code,
            client.get("/api/emails", headers={"Authorization": "Bearer comms_canary"}).status_code,
        ]
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"canary\r\n\r\n")
            connection.recv(100)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=10)
    log = server.log.read_text()

    assert statuses == [200, 422, 422, 404, 422, 415, 404, 401]
    assert log.count("method=GET route=/api/emails status=") == 4
    assert "route=/api/emails/{email_id}/cancel status=415" in log
    told = [word for word in ("canary", key, "@", "batch_id", "asked", "?") if word in log]
    assert told == []
    assert [line for line in log.splitlines() if "127.0.0.1" in line and "Uvicorn running on" not in line] == []
