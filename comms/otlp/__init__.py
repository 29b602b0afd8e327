"""Spans to a receiver of OpenTelemetry, over OTLP/HTTP. The environment says where to, with OpenTelemetry's own names.

Its libraries are the extra `otel`; without a receiver they are not even loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from comms import logs, tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
INSTALL = "pip install 'communication-service[otel]'"

log = logs.logger("comms.otlp")


@cache
def start() -> None:
    """Begin to collect spans, if the environment names a receiver. What is missing is said here, and stops nothing."""
    endpoint = receiver(os.environ)
    if endpoint is None:
        return
    try:
        from comms.otlp.collecting import make_collector
    except ImportError:
        log.critical("no_spans", fault=f"{endpoint} is set and the extra otel is not installed: {INSTALL}")
        return
    try:
        tracing.collect(make_collector())
    except (ValueError, OSError, RuntimeError) as error:
        log.critical("no_spans", fault="a variable OTEL_… cannot be used", exc_info=error)


def receiver(given: Mapping[str, str]) -> str | None:
    """The variable that names one; None where there is none, or where spans are switched off."""
    off = given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or given.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() not in ("", "otlp"):
        return None
    return next((name for name in ENDPOINTS if given.get(name, "").strip()), None)
