"""What the parts tell of themselves to whoever collects spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from comms import logs, tracing
from comms.cli.bus import _turn
from comms.gateways.platform import HttpDirectory
from comms.ports import PlatformService
from comms.services.inbox.launching import Turn
from comms.services.inbox.receiving import Received
from comms.services.relaying import Round
from comms.tracing import Span
from flows.kafka_launcher import _tell
from tests.gateways.platform import settings
from tests.servers.platform import PlatformServer, german_therapist

log = logs.logger("comms.test")


class Noted:
    """Notes everything; a mark with the ids of its traces."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.marks: list[tuple[Span, list[str]]] = []

    @contextmanager
    def collecting(self, span: Span) -> Iterator[None]:
        try:
            yield
        finally:
            self.spans.append(span)

    def mark(self, span: Span, ids: Sequence[str], seconds: float) -> None:
        self.marks.append((span, list(ids)))

    def end(self) -> None:
        """Nothing is left."""


@pytest.fixture
def noted() -> Iterator[Noted]:
    collector = Noted()
    tracing.collect(collector)
    yield collector
    tracing.collect(None)


def test_a_unit_of_work_is_a_span_with_what_its_line_tells(noted: Noted) -> None:
    with logs.unit_of_work(log, "step", step="send", job="send-queue") as line:
        line["sent"] = 3
    [span] = noted.spans
    assert (span.name, span.attributes) == ("step send", {"step": "send", "job": "send-queue", "sent": 3})


def test_a_call_to_the_platform_is_a_span_of_a_client_without_the_number_in_its_name(noted: Noted) -> None:
    with PlatformServer() as server, HttpDirectory(settings(server.url)) as directory:
        server.therapists = {101: german_therapist(101)}
        directory.facts(PlatformService.THERAPIST, [101])
        directory.facts(PlatformService.THERAPIST, [999])
    found, unknown = noted.spans
    assert (found.name, found.kind, found.failed) == ("GET /api/therapists/{id}", "client", None)
    assert (unknown.name, unknown.failed) == (found.name, "unknown")


def test_the_relay_tells_only_of_rounds_that_did_something(noted: Noted) -> None:
    _turn(Round("active"), log, 0.1)
    _turn(Round("active", published=3), log, 0.1)
    [(span, ids)] = noted.marks
    assert (span.name, span.attributes["published"], ids) == ("wave", 3, [])


def test_the_launcher_marks_what_it_took_in_the_trace_of_each_event(noted: Noted) -> None:
    _tell(Turn())
    _tell(Turn(Received(2, 2, 0, 0, 0, ("match-1", "match-2")), launched=True))
    [(span, ids)] = noted.marks
    assert (span.name, span.attributes["new"], ids) == ("poll", 2, ["match-1", "match-2"])
