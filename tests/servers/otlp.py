"""A receiver of spans on loopback: OTLP over HTTP, read with OpenTelemetry's own messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from comms.local_stack.ports import HOST
from tests.local_stack.parts import becomes_true


@dataclass(frozen=True)
class Arrived:
    """One span as it arrived; `links` are ids of spans."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    failed: bool
    attributes: dict[str, Any]
    service: str


@dataclass
class Receiver:
    """`bodies` are as they came; `silent` is set while it answers nobody."""

    port: int
    bodies: list[bytes] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def variables(self) -> dict[str, str]:
        """What brings a process's spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{self.port}", "OTEL_BSP_SCHEDULE_DELAY": "100"}

    @property
    def spans(self) -> list[Arrived]:
        return [span for body in list(self.bodies) for span in _read(body)]

    def named(self, name: str) -> list[Arrived]:
        return [span for span in self.spans if span.name == name]

    def wait_for(self, name: str) -> Arrived:
        assert becomes_true(lambda: bool(self.named(name)), 20), sorted({span.name for span in self.spans})
        return self.named(name)[0]


def _read(body: bytes) -> Iterator[Arrived]:
    asked = ExportTraceServiceRequest.FromString(body)
    for told in asked.resource_spans:
        service = {each.key: _value(each.value) for each in told.resource.attributes}["service.name"]
        for scope in told.scope_spans:
            for span in scope.spans:
                yield _arrived(span, service)


def _arrived(span: trace_pb2.Span, service: str) -> Arrived:
    return Arrived(
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=tuple(link.span_id.hex() for link in span.links),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        attributes={each.key: _value(each.value) for each in span.attributes},
        service=service,
    )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            running.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            if running.silent.is_set():
                running.released.wait()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        running = Receiver(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield running
        running.released.set()
        server.shutdown()
