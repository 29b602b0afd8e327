"""What Prometheus reads: the requests of this process, and the figures of the whole service at the moment of asking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from comms.rules.contact import Reason
from comms.services.figures import Figures
from comms.services.heartbeats import OK
from comms.services.job_figures import flat_counts
from comms.services.job_runs import LastRun

JOB_STATES = ("running", "completed", "failed")


class RequestMetrics:
    """Latency by route; a route is a template (`/api/emails/{email_id}`), so no id and no name is in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "comms_api_request_duration_seconds",
            "Time from a request's first byte to its answer's last, of this process only.",
            ["method", "route", "status"],
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._seconds.labels(known_method(method), route, str(status)).observe(seconds)


def known_method(method: str) -> str:
    """Anybody may invent methods; labels may not grow by it, nor may spans be called so."""
    return method if method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH") else "other"


def exposition(requests: RequestMetrics, figures: Figures) -> bytes:
    """Write both in Prometheus' text format."""
    return generate_latest(requests.registry) + generate_latest(FigureCollector(figures))


class FigureCollector(Collector):
    """Figures as gauges; what is not there is 0 and not missing: alerts can be written before the first case."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        yield from self._emails()
        yield from self._work()
        yield from self._jobs()
        yield from self._parts()

    def _emails(self) -> Iterator[Metric]:
        heaps = self._figures.emails
        count = {status: float(heap.count) for status, heap in heaps.items()}
        oldest = {status: heap.oldest_seconds for status, heap in heaps.items()}
        yield _by("status", "comms_emails_waiting", "Emails that wait, by status.", count)
        yield _by("status", "comms_emails_waiting_oldest_seconds", "Age of the oldest of them; 0 without any.", oldest)
        yield _one("comms_emails_due", "Queued emails whose time has come.", self._figures.due.count)
        late = self._figures.due.oldest_seconds
        yield _one("comms_emails_due_oldest_seconds", "For how long the oldest of them has been due.", late)
        yield _by("kind", "comms_emails_failed", "Emails given up, by kind of refusal.", self._figures.failed)

    def _work(self) -> Iterator[Metric]:
        given = self._figures
        refused = dict.fromkeys(Reason, 0) | given.refused
        yield _by("reason", "comms_therapists_refused", "Not written to by the last daily batch.", refused)
        yield _by("state", "comms_calls", "Phone calls that are ahead (scheduled) or past without a note.", given.calls)
        yield _by("reason", "comms_staff_items", "Open items of the staff list.", given.staff_items)
        yield _one("comms_mail_breaker_open", "1 while the relay failed and took no email since.", given.breaker_open)
        yield _one("comms_sending_paused", "1 while the kill switch is set.", given.paused)
        events = {"unpublished": given.outbox.count, "parked": given.outbox_parked}
        yield _by("state", "comms_outbox_events", "Events not published yet, or given up.", events)
        lag = given.outbox.oldest_seconds
        yield _one("comms_outbox_oldest_seconds", "Age of the oldest unpublished event; 0 without any.", lag)
        yield _one("comms_inbox_events", "Events of the platform that are not applied yet.", given.inbox)
        yield _one("comms_dead_letters", "Messages of the platform that could not be used.", given.dead_letters)

    def _jobs(self) -> Iterator[Metric]:
        runs = self._figures.jobs
        started = {job: run.started_at for job, run in runs.items()}
        finished = {job: run.finished_at for job, run in runs.items() if run.finished_at}
        lasted = {job: (ended - runs[job].started_at).total_seconds() for job, ended in finished.items()}
        yield _times("name", "comms_job_start_timestamp_seconds", "When the last run of a job began.", started)
        yield _times("name", "comms_job_end_timestamp_seconds", "When it ended; missing while it runs.", finished)
        yield _by("name", "comms_job_duration_seconds", "How long it took; missing while it runs.", lasted)
        late = "For how long a daily job has been due without a completed run; 0 once there is one."
        yield _by("name", "comms_job_late_seconds", late, self._figures.late)
        yield from self._runs(runs)

    def _runs(self, runs: Mapping[str, LastRun]) -> Iterator[Metric]:
        state = GaugeMetricFamily("comms_job_state", "1 for the state of the last run.", labels=["name", "state"])
        day = GaugeMetricFamily("comms_job_runs", "Runs that began within a day.", labels=["name", "state"])
        counts = GaugeMetricFamily("comms_job_count", "What the last run counted.", labels=["name", "what"])
        for job, run in runs.items():
            for name in JOB_STATES:
                state.add_metric([job, name], float(name == run.state))
                day.add_metric([job, name], float(self._figures.runs.get((job, name), 0)))
            for what, number in flat_counts(run.counts or {}):
                counts.add_metric([job, what], float(number))
        yield from (state, day, counts)

    def _parts(self) -> Iterator[Metric]:
        beats = self._figures.beats
        health = {part: float(beat.state == OK) for part, beat in beats.items()}
        yield _by("part", "comms_part_healthy", "1 if the last sign of a part (mail, kafka) was good.", health)
        signs = {part: beat.at for part, beat in beats.items()}
        yield _times("part", "comms_part_timestamp_seconds", "When that sign was given.", signs)


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))


def _by(label: str, name: str, words: str, values: dict[str, float] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], float(value))
    return family


def _times(label: str, name: str, words: str, instants: dict[str, datetime]) -> Metric:
    return _by(label, name, words, {key: at.timestamp() for key, at in instants.items()})
