"""Is it alive, is it ready."""

from __future__ import annotations

from datetime import datetime

from api.schemas.fields import View
from comms.services.readiness import State, Status


class HealthView(View):
    status: str


class CheckView(View):
    """One part: its state, the last sign of life, and a code for what is not good."""

    state: State
    at: datetime | None = None
    age_seconds: int | None = None
    code: str | None = None


class ChecksView(View):
    """`jobs` by name; `kafka` only where it is configured."""

    database: CheckView
    migrations: CheckView
    mail: CheckView
    kafka: CheckView | None = None
    jobs: dict[str, CheckView]
    sending: CheckView


class ReadinessView(View):
    """`degraded` works and says what does not; only `unavailable` is answered with 503."""

    status: Status
    checks: ChecksView
