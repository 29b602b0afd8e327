"""The few calls to a Prefect server that the demo needs, without importing Prefect (two seconds)."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

from comms.errors import Temporary

ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
PAUSES = (0.2, 0.5, 1, 2, 4, 8)
"""Seconds between tries: Prefect's SQLite is locked at times, and it then answers 503."""


class PrefectApi:
    """`url` is that of the API, like http://127.0.0.1:4200/api. Everything raises Temporary when it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url

    def start_run(self, deployment: str, parameters: Mapping[str, Any]) -> str:
        """Have a deployment ("flow/name") run now; return the id of the flow run."""
        found = self._call("GET", f"/deployments/name/{deployment}")
        wanted = {
            "parameters": dict(parameters),
            "idempotency_key": uuid.uuid4().hex,
        }  # a try that failed may have made it
        made = self._call("POST", f"/deployments/{found['id']}/create_flow_run", wanted)
        return str(made["id"])

    def state(self, run_id: str) -> tuple[str, str]:
        """Type and name of a flow run's state: ("COMPLETED", "Completed")."""
        run = self._call("GET", f"/flow_runs/{run_id}")
        return str(run["state_type"]), str(run["state_name"])

    def finished_tasks(self, run_id: str) -> list[str]:
        """Names of the run's tasks that are done, in the order of their end."""
        query = {"flow_runs": {"id": {"any_": [run_id]}}, "sort": "END_TIME_DESC"}
        tasks = self._call("POST", "/task_runs/filter", query)
        return [task["name"] for task in reversed(tasks) if task["state_type"] in ENDED]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        for pause in (*PAUSES, None):
            try:
                return self._ask(method, path, body)
            except urllib.error.HTTPError as error:
                trouble, hopeless = f"answers {error.code}", error.code < 500
            except (urllib.error.URLError, OSError) as error:
                trouble, hopeless = f"does not answer ({type(error).__name__})", False
            if pause is None or hopeless:
                break
            time.sleep(pause)
        raise Temporary(f"the Prefect server {trouble} to {method} {path}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http to this machine
            self._url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
