"""Every query of the dashboard and of the alerts, asked of a real Prometheus that scrapes real programs at work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from comms import bootstrap
from comms.local_stack.ports import HOST, free_port
from comms.rules.scopes import Scope
from comms.store.database import upgrade
from comms.store.engines import make_engine
from comms.store.session import writing
from tests.api.conftest import make_key
from tests.cli.running import run
from tests.deployments.test_observability import DASHBOARD, RULES
from tests.factories import make_request, make_therapist
from tests.installation import configured, environment
from tests.local_stack.parts import becomes_true
from tests.servers.enduring import Part, command, serve
from tests.servers.kafka import Broker, broker
from tests.servers.postgres import Postgres, database
from tests.servers.prometheus import Prometheus, prometheus
from tests.servers.script import Drop, Session
from tests.servers.smtp import SmtpServer
from tests.servers.topics import publish
from tests.services.messages import THERAPIST, event_bytes

pytestmark = pytest.mark.whole
PATIENCE = 60
"""Seconds: it only bounds what hangs."""

PANELS = DASHBOARD["panels"]
UPDATED = event_bytes("therapist.updated", therapist_id=1, therapist_data=THERAPIST)


def at_once(query: str) -> str:
    """As Grafana asks it."""
    return query.replace("$__rate_interval", "30s")


QUERIES = sorted({at_once(target["expr"]) for panel in PANELS for target in panel.get("targets", ())})
OF_TROUBLE = ("comms_relay_faults_total", "comms_launcher_faults_total", 'status=~"5.."')
"""What these count does not happen where all is well."""

FAULTS = [query for query in QUERIES if any(word in query for word in OF_TROUBLE)]
[MARK] = (mark["expr"] for mark in DASHBOARD["annotations"]["list"])
READ_BY_ALERTS = sorted(
    {read for rule in RULES for read in re.findall(r"\b(?:comms_\w+|up)(?:\{[^}]*\})?", rule["expr"])}
)
"""Before they compare it."""


@dataclass(frozen=True)
class Observed:
    """What the programs stand on, and who looks at them."""

    prometheus: Prometheus
    server: Postgres
    bus: Broker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Of its own, to be stopped."""
    running = Postgres(tmp_path_factory.mktemp("pg"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def observed(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """Looked at for some seconds: an installation where emails and events went out and events came in."""
    home = tmp_path_factory.mktemp("observed")
    ports = {name: free_port() for name in ("api", "relay", "launcher")}
    mail = SmtpServer({"rcpt": refuse, "content": get_lost})
    with database(server.url) as url, mail, broker() as kafka, ExitStack() as running:
        migrate(url)
        variables = environment(url, home, mail.port) | {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.servers, "COMMS_KAFKA_SESSION_TIMEOUT_MS": "2000",
            "COMMS_KAFKA_HEARTBEAT_MS": "500",
            "COMMS_RELAY_METRICS_PORT": str(ports["relay"]),
            "COMMS_LAUNCHER_METRICS_PORT": str(ports["launcher"]),
        }  # fmt: skip
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
        yield Observed(made, server, kafka)


@pytest.fixture(scope="module")
def observer(observed: Observed) -> Prometheus:
    return observed.prometheus


@pytest.fixture(scope="module")
def troubled(observed: Observed) -> Prometheus:
    """After everything broke, and the database came back: without it the API tells no figures."""
    made = observed.prometheus
    publish(observed.bus.servers, "matching-events", [("1", b"nonsense")])
    assert becomes_true(lambda: bool(made.ask("comms_dead_letters > 0")), PATIENCE, every=0.2)
    observed.bus.kill()
    observed.server.stop()
    assert becomes_true(lambda: bool(made.ask('up{job="comms-api"} == 0')), PATIENCE, every=0.2)
    observed.server.start()
    becomes_true(lambda: all(map(made.ask, [*FAULTS, MARK])), PATIENCE, every=0.5)
    return made


def migrate(url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()


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
    assert [query for query, series in found.items() if not series and query not in FAULTS] == []


def test_what_counts_trouble_finds_none(observer: Prometheus) -> None:
    assert len(FAULTS) == len(OF_TROUBLE)
    assert [observer.ask(query) for query in FAULTS] == [[]] * len(FAULTS)


def test_every_figure_that_an_alert_reads_is_there(observer: Prometheus) -> None:
    """Where one is not, the alert is silent for ever, and that looks like all being well."""
    assert [read for read in READ_BY_ALERTS if not observer.ask(read)] == []


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


def test_what_counts_trouble_finds_it_once_it_is_there(troubled: Prometheus) -> None:
    """This one and the next come last: nothing is well any more."""
    assert [query for query in FAULTS if not troubled.ask(query)] == []


def test_an_alert_that_fires_is_marked_on_the_dashboard(troubled: Prometheus) -> None:
    assert [series["metric"]["alertname"] for series in troubled.ask(MARK)] == ["CommsDeadLetters"]
