"""What relay and launcher tell Prometheus, where a port is set: of their own work only, the API has everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from comms.bootstrap.parts import settings
from comms.errors import ConfigurationError
from comms.services.inbox.launching import Turn
from comms.services.relaying import Round

STANDINGS = ("active", "standby", "away")


class RelayMetrics:
    """Counts waves."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.round_seconds = Histogram(
            "comms_relay_round_duration_seconds",
            "Time of one round: a wave, or a look into the outbox.",
            registry=registry,
        )
        self._events = Counter("comms_relay_events", "Events by what became of them.", ["outcome"], registry=registry)
        self._standing = Gauge("comms_relay_standing", "1 for how it stands now.", ["standing"], registry=registry)
        self._faults = Counter("comms_relay_faults", "Rounds without a broker, by code.", ["fault"], registry=registry)
        for outcome in ("published", "refused", "recovered"):
            self._events.labels(outcome)

    def count(self, done: Round) -> None:
        for outcome in ("published", "refused", "recovered"):
            self._events.labels(outcome).inc(getattr(done, outcome))
        for standing in STANDINGS:
            self._standing.labels(standing).set(standing == done.standing)
        if done.fault:
            self._faults.labels(done.fault).inc()


class LauncherMetrics:
    """Counts polls and launches."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._messages = Counter(
            "comms_launcher_messages", "Messages of the platform by what they were.", ["outcome"], registry=registry
        )
        self._launches = Counter("comms_launcher_launches", "Flow runs that were launched.", registry=registry)
        self._faults = Counter(
            "comms_launcher_faults", "Turns without a broker or without Prefect, by code.", ["fault"], registry=registry
        )
        for outcome in ("new", "known", "unknown", "dead"):
            self._messages.labels(outcome)

    def count(self, turn: Turn) -> None:
        for outcome in ("new", "known", "unknown", "dead"):
            self._messages.labels(outcome).inc(getattr(turn.received, outcome))
        self._launches.inc(turn.launched)
        if turn.fault:
            self._faults.labels(turn.fault).inc()


@contextmanager
def telling(registry: CollectorRegistry, port: int, name: str) -> Iterator[None]:
    """Answer Prometheus on `port` for as long as the block runs; `name` is the setting that says so, 0 means nobody."""
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, settings().metrics_host, registry)
    except OSError:
        raise ConfigurationError([f"{name}: nobody can listen there; another program has the port"]) from None
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
