"""What a Prefect server says of deployments, workers and automations: `prefect.yaml`, until a test changes it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import yaml

from comms.local_stack import AUTOMATIONS, POOL, PREFECT_YAML


class PrefectDouble:
    """`answers` by path. The real server is asked in `tests/flows`; this one breaks as it is told, in milliseconds."""

    def __init__(self) -> None:
        wanted = yaml.safe_load(PREFECT_YAML.read_text(encoding="utf-8"))["deployments"]
        self.deployments = {each["name"]: _registered(each) for each in wanted}
        self.workers = [{"status": "ONLINE"}]
        self.automations = [{"name": name, "enabled": True} for name in AUTOMATIONS]
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.double = self
        self.url = f"http://127.0.0.1:{self._http.server_port}/api"

    def answer(self, path: str) -> Any:
        return {
            "/api/admin/version": version("prefect"),
            "/api/deployments/filter": list(self.deployments.values()),
            f"/api/work_pools/{POOL}/workers/filter": self.workers,
            "/api/automations/filter": self.automations,
        }[path]

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()


def _registered(wanted: dict[str, Any]) -> dict[str, Any]:
    rhythms = [{"active": True, "schedule": {**each}} for each in wanted["schedules"]]
    limit = {"limit": wanted["concurrency_limit"]["limit"]}
    return wanted | {
        "work_pool_name": POOL, "paused": False, "schedules": rhythms, "concurrency_limit": None,
        "global_concurrency_limit": limit,
    }  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    double: PrefectDouble


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(self.server.double.answer(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing is written."""
