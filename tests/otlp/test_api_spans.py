"""The spans of the API in a process of its own, as a receiver on loopback gets them."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from comms.services.keys import create_key
from comms.store.engines import clock, make_engine
from comms.store.session import make_sessions, writing
from tests.otlp.test_story import CANARIES, trace_of
from tests.servers.otlp import Receiver, receiver
from tests.servers.uvicorn import Server, uvicorn_server

REQUEST = "0d0f9a3c-8f3e-4a55-9a53-0a8a3f1c5b01"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
EMAIL = {"therapist_id": 801, "subject": "zqxyqsubject", "body_html": "<p>zqxyqbody</p>", "recipient_name": "Zqxyqmann",
         "recipient_email": "zqxyq@therapie.example"}  # fmt: skip


@pytest.fixture(scope="module")
def told(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """What arrived of some requests."""
    with receiver() as running, api(sqlite_template, tmp_path_factory, running) as (server, key):
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
            ask(client)
        running.wait_for("GET")
        yield running


@contextmanager
def api(
    template: Path, folders: pytest.TempPathFactory, running: Receiver, **variables: str
) -> Iterator[tuple[Server, str]]:
    """A server, and a key that opens everything."""
    home = folders.mktemp("api")
    engine = make_engine(f"sqlite:///{shutil.copy(template, home / 'comms.db')}")
    with writing(make_sessions(engine)) as session:
        key = create_key(session, "spans", ["admin"], clock(session), "test").key
    engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (running.variables | variables).items():
            patch.setenv(name, value)
        with uvicorn_server(home, str(engine.url)) as server:
            yield server, key


def ask(client: httpx.Client) -> None:
    """The last one is answered by no route."""
    client.get("/api/emails/17", headers={"X-Request-ID": REQUEST})
    client.post("/api/emails", json=EMAIL | {"recipient_email": "zqxyq mail"})
    client.get("/api/suppressions", params={"mailbox": "zqxyq"})
    given = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "zqxyq=zqxyq", "baggage": "zqxyq=zqxyq"}
    client.get("/api/staff-list", headers=given)
    client.request("PROPFIND", "/api/plan")
    client.get("/zqxyqpath", headers={"traceparent": "zqxyq", "X-Request-ID": "zqxyq-request"})


def test_a_request_is_a_span_of_a_server_named_by_its_route_in_the_trace_of_its_id(told: Receiver) -> None:
    [span] = told.named("GET /api/emails/{email_id}")
    assert (span.kind, span.trace, span.failed) == ("server", trace_of(REQUEST), False)
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/emails/{email_id}",
        "http.response.status_code": 404,
        "comms.email_id": 17,
        "comms.correlation_id": REQUEST,
    }


def test_the_trace_of_the_caller_goes_on(told: Receiver) -> None:
    [span] = told.named("GET /api/staff-list")
    assert (span.trace, span.parent) == (TRACE, CALLER)


def test_a_method_that_the_api_does_not_know_names_no_span(told: Receiver) -> None:
    assert {span.name.split()[0] for span in told.spans} == {"GET", "POST", "other"}


def test_nothing_arrives_of_what_a_client_wrote(told: Receiver) -> None:
    everything = b"".join(told.bodies).lower()
    assert REQUEST.encode() in everything
    assert [canary for canary in CANARIES if canary in everything] == []


@pytest.mark.whole
def test_a_server_that_is_asked_to_end_hands_out_what_it_still_has(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with receiver() as running, api(sqlite_template, tmp_path_factory, running, **NEVER) as (server, _):
        assert running.spans == []
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait(30)
        assert running.named("GET /healthz")


NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
