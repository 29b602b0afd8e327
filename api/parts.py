"""What every request shares in one process: settings, the database, letters, the doorkeeper."""

from __future__ import annotations

from functools import cached_property, partial

from fastapi import Request
from sqlalchemy import Engine

from api.attempts import Attempts
from api.metrics import RequestMetrics
from api.probing import Probe
from api.security import Doorkeeper
from api.threads import Threads
from api.writer import Writer
from comms.config import Settings
from comms.services.correspondence import Correspondence
from comms.services.letters.render import Letters
from comms.services.readiness import Readiness, look
from comms.store.engines import make_engine, make_glancing
from comms.store.session import Sessions, make_sessions
from comms.store.timekeeping import Timekeeper
from comms.store.version import require_current

FEW, PATIENCE = 3, 0.02
"""Threads that suffice for PostgreSQL while it answers at once, and the seconds after which it does not."""
READERS, READERS_PATIENCE = 8, 0.05
"""The most that read SQLite: they leave the writer a connection of the pool. One suffices unless a question is slow."""


class Parts:
    """Made when the app is; nothing connects before the first request."""

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings, self._given = settings, engine is not None
        self.engine = engine or make_engine(settings.database_url, ask_first=False)
        self._glancing = make_glancing(self.engine)
        self.metrics, self.timekeeper = RequestMetrics(), Timekeeper()
        self.readers, self.writers = _readers_and_writers(self.engine, settings.api_threads)
        self._checked = False

    @cached_property
    def _sessions(self) -> Sessions:
        return make_sessions(self.engine)

    @cached_property
    def _glances(self) -> Sessions:
        return make_sessions(self._glancing)

    @property
    def sessions(self) -> Sessions:
        """DatabaseNotReady until the schema is this version's."""
        self._check()
        return self._sessions

    @property
    def glances(self) -> Sessions:
        """The same for what only reads."""
        self._check()
        return self._glances

    def _check(self) -> None:
        if not self._checked:
            require_current(self.engine)
            self._checked = True

    def close(self) -> None:
        """Let the database go; an engine that was given is its giver's."""
        if not self._given:
            self.engine.dispose()
        if self._glancing is not self.engine:
            self._glancing.dispose()

    @cached_property
    def doorkeeper(self) -> Doorkeeper:
        attempts = Attempts(self.settings.api_failed_attempts_per_minute)
        return Doorkeeper(lambda: self.sessions, self.settings.api_requests_per_minute, attempts)

    @cached_property
    def readiness(self) -> Probe[Readiness]:
        """Goes around `sessions`: what these refuse is what it tells."""
        kafka = bool(self.settings.kafka_bootstrap_servers)
        return Probe(partial(look, self.engine, self._sessions, kafka=kafka))

    @cached_property
    def correspondence(self) -> Correspondence:
        given = self.settings
        return Correspondence(Letters(given.templates), given.identity(), given.time_zone, given.diagnosis_detail)


def _readers_and_writers(engine: Engine, count: int) -> tuple[Threads, Threads | Writer]:
    if engine.dialect.name == "sqlite":
        return Threads(1, READERS, "reader", READERS_PATIENCE), Writer(engine)
    threads = Threads(FEW, count, "route", PATIENCE)
    return threads, threads


def parts_of(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found
