"""The API so far: it says that it is there, and ends when it is asked to."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.building import create_app
from comms.config import Settings
from comms.local_stack.ports import HOST, free_port
from comms.local_stack.probe import is_healthy
from tests.local_stack.parts import becomes_true


def test_it_says_that_it_is_there() -> None:
    answer = TestClient(create_app(Settings())).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.slow
def test_it_ends_by_itself_when_it_is_asked_to(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--host", HOST, "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        assert becomes_true(lambda: is_healthy(f"http://{HOST}:{port}/healthz"), 30)
        with urllib.request.urlopen(f"http://{HOST}:{port}/openapi.json") as document:
            assert document.status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) in (0, -signal.SIGTERM)
    finally:
        server.kill()
