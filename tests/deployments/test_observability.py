"""Dashboard and alerts name nothing that is not told, and everything that is told stands in the handbook."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from api.metrics import RequestMetrics, exposition
from comms.bootstrap.metrics import LauncherMetrics, RelayMetrics
from comms.services import job_runs
from comms.services.figures import read_figures
from comms.services.heartbeats import OK, beat
from comms.services.inbox.launching import Turn
from comms.services.job_figures import DAILY, late_seconds
from comms.services.relaying import Round
from comms.store.engines import clock
from comms.store.session import Sessions, make_sessions, writing
from tests.factories import make_therapist
from tests.test_layout import ROOT

FOLDER = ROOT / "deployments/observability"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
TRIED = yaml.safe_load((FOLDER / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
HANDBOOK = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
METRIC = re.compile(r"\b(comms_\w+)(?:\{([^}]*)\})?")


@pytest.fixture
def told(empty_sqlite: Engine) -> dict[str, set[str]]:
    """Every sample that the three programs write, with its labels."""
    sessions = make_sessions(empty_sqlite)
    pages = [_api_page(sessions), *(generate_latest(each.registry) for each in (_relay(), _launcher()))]
    found: dict[str, set[str]] = defaultdict(set)
    for page in pages:
        for family in text_string_to_metric_families(page.decode()):
            for sample in family.samples:
                found[sample.name] |= set(sample.labels)
    return dict(found)


def _api_page(sessions: Sessions) -> bytes:
    with writing(sessions) as session:
        now = clock(session)
        beat(session, "mail", OK, None, now)
        job_runs.start_run(session, job_runs.DAILY_BATCH, "key", now, now)
        job_runs.finish_run(session, job_runs.DAILY_BATCH, "key", {"sending": {"sent": 2}}, now, failed=False)
        figures = read_figures(session, now)
    requests = RequestMetrics()
    requests.observe("GET", "/api/emails", 200, 0.01)
    return exposition(requests, figures)


def _relay() -> RelayMetrics:
    metrics = RelayMetrics()
    with metrics.round_seconds.time():
        metrics.count(Round("away", fault="NoBrokersAvailable"))
    return metrics


def _launcher() -> LauncherMetrics:
    metrics = LauncherMetrics()
    metrics.count(Turn(launched=True, fault="temporary"))
    return metrics


def queries() -> Iterator[tuple[str, str, str]]:
    """Where it stands, the query, and how its lines are called."""
    for rule in RULES:
        labels = re.sub(r"\$labels\.(\w+)", r"\1", rule["annotations"]["summary"])
        yield rule["alert"], rule["expr"], "" if rule["alert"] == "CommsSilent" else labels
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def test_every_query_names_metrics_and_labels_that_are_told(told: dict[str, set[str]]) -> None:
    wrong = []
    for place, query, legend in queries():
        used = METRIC.findall(query)
        known = set().union(*(told.get(name, set()) for name, _ in used))
        wrong += [(place, name) for name, _ in used if name not in told]
        for name, matchers in used:
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            wrong += [(place, label) for label in asked - told.get(name, set())]
        grouped = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(",")}
        shown = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", legend))
        wrong += [(place, label) for label in grouped - known | shown - grouped]
    assert wrong == []


def test_every_metric_is_in_the_handbook(told: dict[str, set[str]]) -> None:
    families = {re.sub(r"_(bucket|count|sum|total|created)$", "", name) for name in told}
    described = {
        re.sub(r"_(count|total)$", "", name) for name in re.findall(r"^\| `(comms_\w+)`", HANDBOOK, re.MULTILINE)
    }
    assert families == described


def test_no_label_has_a_name_that_prometheus_gives_itself(told: dict[str, set[str]]) -> None:
    assert {name for name, labels in told.items() if labels & {"job", "instance"}} == set()


def test_each_alert_is_made_to_fire_and_shown_not_to() -> None:
    fired: dict[str, set[bool]] = defaultdict(set)
    for test in TRIED:
        for case in test["alert_rule_test"]:
            fired[case["alertname"]].add(bool(case["exp_alerts"]))
    assert fired == {rule["alert"]: {True, False} for rule in RULES}


def test_each_alert_leads_to_a_chapter_of_the_handbook() -> None:
    chapters = set(re.findall(r"^## (.+)$", HANDBOOK, re.MULTILINE))
    for rule in RULES:
        assert set(re.findall(r'"([^"]+)"', rule["annotations"]["runbook"])) <= chapters, rule["alert"]


def test_the_daily_jobs_are_due_when_prefect_starts_them() -> None:
    deployed: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    crons = {one["name"]: one["schedules"][0] for one in deployed if one["name"] in DAILY}
    assert {name: (cron["cron"], cron["timezone"]) for name, cron in crons.items()} == {
        name: (f"{at.minute} {at.hour} * * *", "Europe/Berlin") for name, at in DAILY.items()
    }


def test_a_rate_looks_back_over_four_scrapes() -> None:
    """Grafana makes `$__rate_interval` four times the interval of the query; without one it takes 15 seconds."""
    targets = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))["global"]["scrape_interval"]
    assert {one.get("interval") for one in targets if "$__rate_interval" in one["expr"]} == {scraped}


def test_panels_do_not_lie_on_each_other() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not covered & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= covered


def test_a_daily_job_is_late_by_the_clock_in_berlin_on_the_days_when_it_changes(empty_sqlite: Engine) -> None:
    sessions = make_sessions(empty_sqlite)
    with writing(sessions) as session:
        make_therapist(session, created_at=datetime(2026, 1, 5, tzinfo=UTC))
        for now, expected in (
            ("2026-03-29T02:00:00+00:00", 2 * 3600),  # 04:00, and there was no 02:00: due at 00:00 UTC
            ("2026-10-25T01:00:00+00:00", 2 * 3600),  # the second 02:00: due at 23:00 UTC
            ("2026-11-26T23:59:00+00:00", 23 * 3600 + 59 * 60),
        ):
            assert late_seconds(session, datetime.fromisoformat(now))["daily-batch"] == expected, now
        begun = datetime.fromisoformat("2026-11-27T00:00:01+00:00")
        job_runs.start_run(session, job_runs.DAILY_BATCH, "one", begun, begun)
        later = datetime.fromisoformat("2026-11-27T01:30:00+00:00")
        assert late_seconds(session, later)["daily-batch"] == 90 * 60
        job_runs.finish_run(session, job_runs.DAILY_BATCH, "one", {}, later, failed=False)
        assert late_seconds(session, later)["daily-batch"] == 0


def test_a_daily_job_is_not_late_before_its_first_hour_after_the_first_therapist(empty_sqlite: Engine) -> None:
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    with writing(make_sessions(empty_sqlite)) as session:
        assert late_seconds(session, noon)["daily-batch"] == 0
        make_therapist(session, created_at=noon)
        assert late_seconds(session, noon + timedelta(hours=11))["daily-batch"] == 0
        assert late_seconds(session, noon + timedelta(hours=13))["daily-batch"] == 3600  # 02:00 in Berlin
