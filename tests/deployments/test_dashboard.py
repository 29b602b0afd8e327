"""Every query of the dashboard and of the alerts, asked of a real Prometheus that scrapes real programs at work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from comms import bootstrap
from comms.local_stack.ports import HOST, free_port
from comms.rules.scopes import Scope
from comms.store.session import writing
from tests.api.conftest import make_key
from tests.cli.running import run
from tests.factories import make_request, make_therapist
from tests.installation import configured, environment
from tests.local_stack.parts import becomes_true
from tests.servers.enduring import Part, command, serve
from tests.servers.kafka import broker
from tests.servers.prometheus import FOLDER, Prometheus, prometheus
from tests.servers.script import Drop, Session
from tests.servers.smtp import SmtpServer
from tests.servers.topics import publish
from tests.services.messages import THERAPIST, event_bytes

pytestmark = pytest.mark.whole
PATIENCE = 60
"""Seconds: it only bounds what hangs."""

PANELS = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]
UPDATED = event_bytes("therapist.updated", therapist_id=1, therapist_data=THERAPIST)


def at_once(query: str) -> str:
    """As Grafana asks it."""
    return query.replace("$__rate_interval", "30s")


QUERIES = sorted({at_once(target["expr"]) for panel in PANELS for target in panel.get("targets", ())})
OF_TROUBLE = ("comms_relay_faults_total", "comms_launcher_faults_total", 'status=~"5.."')
"""What these count does not happen here."""


@pytest.fixture(scope="module")
def observer(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has looked for some seconds at an installation where emails and events went out and events came in."""
    home = tmp_path_factory.mktemp("observed")
    url = f"sqlite:///{shutil.copy(sqlite_template, home / 'comms.db')}"
    ports = {name: free_port() for name in ("api", "relay", "launcher")}
    with SmtpServer({"rcpt": refuse, "content": get_lost}) as mail, broker() as kafka, ExitStack() as running:
        variables = environment(url, home, mail.port) | {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.servers,
            "COMMS_RELAY_METRICS_PORT": str(ports["relay"]),
            "COMMS_LAUNCHER_METRICS_PORT": str(ports["launcher"]),
        }
        key = work_for_a_day(variables)
        publish(kafka.servers, "therapist-events", [("1", UPDATED)])
        for program in ((serve, str(ports["api"])), (command, "relay"), (command, "launcher")):
            part = Part(*program, environment=variables, log=home / f"{program[1]}.log")
            running.callback(part.kill)
            part.start()
        assert becomes_true(partial(is_told, f"http://{HOST}:{ports['api']}", key), PATIENCE)
        targets = {f"comms-{name}": port for name, port in ports.items()}
        made = running.enter_context(prometheus(home, key, targets))
        assert becomes_true(partial(has_looked, made), PATIENCE, every=0.2), made.ask("up")
        yield made


def refuse(session: Session) -> str | None:
    return "550 5.1.1 nobody of that name" if "unknown" in session.line else None


def get_lost(session: Session) -> Drop | None:
    return Drop() if any("doubt" in recipient for recipient in session.recipients) else None


def work_for_a_day(variables: dict[str, str]) -> str:
    """Write to one therapist, fail with the next, be in doubt, refuse the last; return a key for the metrics."""
    facts = ({}, {"email": "unknown@therapie.example"}, {"email": "doubt@therapie.example"}, {"status": "blocked"})
    with configured(variables):
        with writing(bootstrap.sessions()) as session:
            for each in facts:
                make_request(session, make_therapist(session, **each))
        for job in ("daily-batch", "follow-ups", "check-invariants"):
            run(job)
        return make_key(bootstrap.sessions(), Scope.OPS)


def is_told(url: str, key: str) -> bool:
    """Whether a client is answered, though it may not see this."""
    with suppress(httpx.TransportError):
        answer = httpx.get(f"{url}/api/emails", headers={"Authorization": f"Bearer {key}"})
        return answer.status_code == httpx.codes.FORBIDDEN
    return False


def has_looked(prometheus: Prometheus) -> bool:
    """Whether each program was asked often enough for a rate, all rules were evaluated, and events went both ways."""
    looks = prometheus.ask('count_over_time(up{job=~"comms-.*"}[1m]) >= 3 and up == 1')
    moved = prometheus.ask('comms_relay_events_total{outcome="published"} > 0 or comms_launcher_messages_total > 0')
    evaluated = all(rule["health"] != "unknown" for rule in prometheus.rules().values())
    return len(looks) == 3 and len(moved) == 2 and evaluated


def test_every_query_of_the_dashboard_finds_something(observer: Prometheus) -> None:
    found = {query: observer.ask(query) for query in QUERIES}
    nothing = [query for query, series in found.items() if not series]
    assert [query for query in nothing if not any(word in query for word in OF_TROUBLE)] == []


def test_what_counts_trouble_finds_none(observer: Prometheus) -> None:
    asked = [query for query in QUERIES if any(word in query for word in OF_TROUBLE)]
    assert len(asked) == len(OF_TROUBLE)
    assert [observer.ask(query) for query in asked] == [[]] * len(asked)


def test_no_alert_fires_while_all_is_well(observer: Prometheus) -> None:
    rules = observer.rules()
    assert {rule["health"] for rule in rules.values()} == {"ok"}
    assert [name for name, rule in rules.items() if rule["state"] != "inactive"] == []


def test_a_legend_names_every_label_that_tells_series_apart(observer: Prometheus) -> None:
    unnamed = []
    for panel in PANELS:
        for target in panel.get("targets", ()):
            labels = {label for series in observer.ask(at_once(target["expr"])) for label in series["metric"]}
            if panel["type"] == "timeseries" and not all(
                f"{{{{{label}}}}}" in target["legendFormat"] for label in labels
            ):
                unnamed.append((panel["title"], sorted(labels)))
    assert unnamed == []
