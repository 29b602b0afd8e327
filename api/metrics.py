"""What this process counts of its own requests: numbers by method, route and status, and how long they took."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram


class RequestMetrics:
    """Latency by route; a route is a template (`/api/emails/{email_id}`), so no id and no name is in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "comms_api_request_seconds",
            "Time from the request's first byte to the answer's last.",
            ["method", "route", "status"],
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._seconds.labels(_known(method), route, str(status)).observe(seconds)


def _known(method: str) -> str:
    """Anybody may invent methods; labels may not grow by it."""
    return method if method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH") else "other"
