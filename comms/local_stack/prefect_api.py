"""The few calls to a Prefect server that the demo needs, without importing Prefect (two seconds)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from comms.errors import Temporary

ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
TRIES = 5
"""Prefect's SQLite is locked at times; it then answers 5xx."""


class PrefectApi:
    """`url` is that of the API, like http://127.0.0.1:4200/api. Everything raises Temporary when it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url

    def start_run(self, deployment: str, parameters: Mapping[str, Any]) -> str:
        """Have a deployment ("flow/name") run now; return the id of the flow run."""
        found = self._call("GET", f"/deployments/name/{deployment}")
        made = self._call("POST", f"/deployments/{found['id']}/create_flow_run", {"parameters": dict(parameters)})
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
        for left in reversed(range(TRIES)):
            try:
                return self._ask(method, path, body)
            except urllib.error.HTTPError as error:
                if error.code < 500 or not left:
                    raise Temporary(f"the Prefect server answered {error.code} to {method} {path}") from None
            except (urllib.error.URLError, OSError) as error:
                if not left:
                    raise Temporary(f"the Prefect server does not answer ({type(error).__name__})") from None
        raise AssertionError

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http to this machine
            self._url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
