"""Debian's Prometheus on loopback, with the project's own configuration: other places, and shorter waits."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from comms.local_stack.ports import HOST, free_port
from comms.local_stack.probe import is_healthy
from tests.local_stack.parts import becomes_true
from tests.servers.processes import dies_with_parent
from tests.test_layout import ROOT

FOLDER = ROOT / "deployments/observability"


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self._http = httpx.Client(base_url=f"http://{HOST}:{port}/api/v1", timeout=30)

    def ask(self, query: str) -> list[dict[str, Any]]:
        """What a query finds now, one entry for each series; a query that cannot be evaluated fails."""
        answer = self._http.post("/query", data={"query": query}).json()
        assert answer["status"] == "success", f"{query}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def rules(self) -> dict[str, dict[str, Any]]:
        """Every alert by name, with its `health` and its `state`."""
        [group] = self._http.get("/rules").json()["data"]["groups"]
        return {rule["name"]: rule for rule in group["rules"]}


@contextmanager
def prometheus(folder: Path, key: str, targets: Mapping[str, int]) -> Iterator[Prometheus]:
    """Start one in `folder`; `targets` has the port of each job, `key` opens the API."""
    binary, port = shutil.which("prometheus"), free_port()
    assert binary, "prometheus is missing; it is a package of Debian"
    config = _configured(folder, key, targets)
    places = {"config.file": config, "storage.tsdb.path": folder / "data", "web.listen-address": f"{HOST}:{port}"}
    command = [binary, *(f"--{name}={value}" for name, value in places.items())]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=dies_with_parent())
    try:
        ready = becomes_true(lambda: is_healthy(f"http://{HOST}:{port}/-/ready"), 60, every=0.1)
        assert ready, (folder / "prometheus.log").read_text()
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait()


def _configured(folder: Path, key: str, targets: Mapping[str, int]) -> Path:
    given = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    given["global"] = dict.fromkeys(given["global"], "1s")
    given["rule_files"] = [str(FOLDER / name) for name in given["rule_files"]]
    assert {job["job_name"] for job in given["scrape_configs"]} == targets.keys()
    for job in given["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"{HOST}:{targets[job['job_name']]}"]}]
        if "authorization" in job:
            job["authorization"] = {"credentials_file": str(folder / "key")}
    (folder / "key").write_text(key)
    made = folder / "prometheus.yml"
    made.write_text(yaml.safe_dump(given))
    return made
