"""From our spans to OpenTelemetry's; nothing else in the service knows its libraries.

The trace of an id is a hash of it: programs that never met, days apart, write into the same one. Its spans stand beside
each other, for no parent could be kept open so long. Neither the provider nor the context of the process is set: what
other libraries would tell of themselves (addresses, parameters, the words of errors) stays where it is.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from comms import logs
from comms.causes import present_cause, work_id
from comms.tracing import Span

LAST_SECONDS = 2.0
"""How long the end of a process waits for a receiver."""

_KINDS = {"internal": trace.SpanKind.INTERNAL, "server": trace.SpanKind.SERVER, "client": trace.SpanKind.CLIENT}
_present: ContextVar[trace.Span | None] = ContextVar("span", default=None)
_trace_of: ContextVar[str | None] = ContextVar("trace_of", default=None)

log = logs.logger("comms.otlp")


def make_collector() -> OtlpCollector:
    """Make one as the environment says: OTEL_EXPORTER_OTLP_…, OTEL_BSP_…, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME."""
    provider = TracerProvider(resource=_resource(), id_generator=_TraceIds(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Exporter()))
    return OtlpCollector(provider)


def trace_id_of(id_: str) -> int:
    """The first 128 bits of its SHA-256: samplers by ratio want all bits alike, and those of a UUID are not."""
    return int.from_bytes(sha256(id_.encode()).digest()[:16], "big")


class OtlpCollector:
    """A `comms.tracing.Collector`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider, self._tracer = provider, provider.get_tracer("comms")
        self._over, self._closed = threading.Event(), threading.Event()
        # from here: a process that ends may start no thread, and closing by itself would wait for half a minute
        threading.Thread(target=self._close, name="last-spans", daemon=True).start()
        atexit.register(self.end)

    @contextmanager
    def collecting(self, span: Span) -> Iterator[None]:
        cause = present_cause()
        made = self._begin(span, work_id(), _above(span.caller))
        whence = {"correlation_id": cause.id, "event_ids": sorted(set(cause.events.values()))} if cause else {}
        token = _present.set(made)
        try:
            yield
        except BaseException as error:
            span.failed = span.failed or type(error).__name__
            raise
        finally:
            _present.reset(token)
            _end(made, span, whence | span.attributes)

    def mark(self, span: Span, ids: Sequence[str], seconds: float) -> None:
        present, start = _present.get(), time.time_ns() - int(seconds * 1e9)
        links = [trace.Link(present.get_span_context())] if present else []
        traces: Sequence[str | None] = ids or [None]
        for id_ in traces:
            made = self._begin(span, id_, Context(), links, start)
            _end(made, span, {"correlation_id": id_, "causation_id": work_id()} | span.attributes)

    def end(self) -> None:
        if not self._over.is_set():
            self._over.set()
            if not self._closed.wait(LAST_SECONDS):
                log.warning("spans_lost", seconds=LAST_SECONDS)

    def _close(self) -> None:
        self._over.wait()
        self._provider.shutdown()
        self._closed.set()

    def _begin(
        self, span: Span, id_: str | None, above: Context, links: Sequence[trace.Link] = (), start: int | None = None
    ) -> trace.Span:
        token = _trace_of.set(id_)
        try:
            return self._tracer.start_span(span.name, above, _KINDS[span.kind], links=links, start_time=start)
        finally:
            _trace_of.reset(token)


def _above(caller: str | None) -> Context:
    """The work that this is a part of, here or in the caller's program; `tracestate` may hold anything and is left."""
    present = _present.get()
    if present is not None:
        return trace.set_span_in_context(present, Context())
    return TraceContextTextMapPropagator().extract({"traceparent": caller} if caller else {}, Context())


def _end(made: trace.Span, span: Span, attributes: Mapping[str, Any]) -> None:
    made.update_name(span.name)
    made.set_attributes(dict(_flat(attributes)))
    if span.failed:
        made.set_attribute("error.type", span.failed)
        made.set_status(trace.StatusCode.ERROR)
    made.end()


def _flat(given: Mapping[str, Any], above: str = "comms.") -> Iterator[tuple[str, Any]]:
    """Counts by name become an attribute each; what is None or empty says nothing."""
    for key, value in given.items():
        name = str(key) if "." in str(key) else f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            if value:
                yield name, list(value) if len(set(map(type, value))) == 1 else list(map(str, value))
        elif value is not None:
            yield name, value if isinstance(value, (bool, int, float)) else str(value)


class _TraceIds(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        id_ = _trace_of.get()
        return trace_id_of(id_) if id_ else super().generate_trace_id()

    def is_trace_id_random(self) -> bool:
        return False


class _Exporter(OTLPSpanExporter):
    """Says once that spans get lost, and once that they arrive again: its library would repeat itself, with its URL."""

    _losing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        losing = result is not SpanExportResult.SUCCESS
        if losing != self._losing:
            (log.warning if losing else log.info)("spans_lost" if losing else "spans_arrive", spans=len(spans))
        self._losing = losing
        return result


def _resource() -> Resource:
    found = Resource.create()
    named = not str(found.attributes[SERVICE_NAME]).startswith("unknown_service")
    return found if named else found.merge(Resource({SERVICE_NAME: "communication-service"}))
