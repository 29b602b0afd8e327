"""Off unless the environment names a receiver; one that is away or silent costs the work nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from comms import tracing
from comms.otlp import receiver as wanted
from comms.otlp.collecting import LAST_SECONDS, make_collector
from tests.installation import environment
from tests.otlp.commands import comms
from tests.servers.otlp import receiver
from tests.servers.processes import free_port

ENDPOINT, OF_TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
LOADED = "import sys; print([n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
NOT_THERE = "import sys; sys.modules['opentelemetry.sdk'] = None"


@pytest.fixture
def given(sqlite_template: Path, tmp_path: Path) -> dict[str, str]:
    """An installation without mail."""
    copied = shutil.copy(sqlite_template, tmp_path / "comms.db")
    return environment(f"sqlite:///{copied}", tmp_path, free_port())


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({ENDPOINT: ""}, None),
        ({ENDPOINT: "http://x"}, ENDPOINT),
        ({OF_TRACES: "http://x"}, OF_TRACES),
        ({ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "True"}, None),
        ({ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "false"}, ENDPOINT),
        ({ENDPOINT: "http://x", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({ENDPOINT: "http://x", "OTEL_TRACES_EXPORTER": "otlp"}, ENDPOINT),
    ],
)
def test_the_standard_variables_switch_it(variables: dict[str, str], found: str | None) -> None:
    assert wanted(variables) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    "program", ["import api.app", "from comms.cli import app; app(['run', 'send-queue'], standalone_mode=False)"]
)
def test_without_a_receiver_none_of_the_libraries_is_loaded(program: str, given: dict[str, str]) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | given
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}\n{LOADED}"], env=variables, capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr


@pytest.mark.whole
def test_where_the_extra_is_missing_one_line_says_what_to_install_and_the_work_goes_on(given: dict[str, str]) -> None:
    ended = comms(given | {ENDPOINT: "http://127.0.0.1:4318"}, "run", "send-queue", first=NOT_THERE)
    assert ended.returncode == 0
    [line] = ended.stderr.splitlines()
    assert f"{ENDPOINT} is set and the extra otel is not installed: pip install 'communication-service[otel]'" in line


@pytest.mark.whole
def test_a_variable_that_cannot_be_used_stops_nothing(given: dict[str, str]) -> None:
    ended = comms(given | {ENDPOINT: "http://127.0.0.1:4318", "OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "run", "send-queue")
    assert ended.returncode == 0
    assert "OTEL_" in ended.stderr


@pytest.mark.whole
def test_the_key_of_a_receiver_that_is_written_wrongly_is_not_told(given: dict[str, str]) -> None:
    wrong = {ENDPOINT: f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_HEADERS": "Authorization: Bearer geheim"}
    ended = comms(given | wrong | {"COMMS_LOG_FORMAT": "json"}, "run", "send-queue")
    assert (ended.returncode, "geheim" in ended.stderr) == (0, False)


@pytest.mark.whole
def test_a_receiver_that_is_away_stops_nothing_and_is_told_without_its_address(given: dict[str, str]) -> None:
    away = {ENDPOINT: f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.1"}
    ended = comms(given | away | {"COMMS_LOG_FORMAT": "json"}, "run", "send-queue")
    assert ended.returncode == 0
    assert ended.stderr.count("spans_lost") == 1
    assert "127.0.0.1" not in ended.stderr


@pytest.mark.whole
def test_a_process_ends_although_its_receiver_stays_silent(given: dict[str, str]) -> None:
    """The library by itself would wait for half a minute."""
    with receiver() as running:
        running.silent.set()
        began = time.monotonic()
        ended = comms(given | running.variables | {"COMMS_LOG_FORMAT": "json"}, "run", "send-queue")
        assert (ended.returncode, bool(running.bodies), ended.stderr.count("spans_lost")) == (0, True, 1)
        assert time.monotonic() - began < 25


def test_work_does_not_wait_for_a_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as running:
        running.silent.set()
        for name, value in (
            running.variables | {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8", "OTEL_BSP_MAX_QUEUE_SIZE": "8"}
        ).items():
            monkeypatch.setenv(name, value)
        collector: Any = make_collector()
        tracing.collect(collector)
        try:
            began = time.monotonic()
            for number in range(1000):
                with tracing.span("work", number=number):
                    pass
            assert time.monotonic() - began < LAST_SECONDS
        finally:
            tracing.collect(None)
            running.released.set()
            collector.end()
