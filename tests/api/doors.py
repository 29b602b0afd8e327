"""The app on one database for many tests, and the keys to it; nothing that these tests send changes a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine

from api.building import create_app
from comms.config import Settings
from comms.rules.scopes import Scope
from comms.store.session import make_sessions
from tests.api.conftest import make_key
from tests.api.operations import UNKNOWN, Operation

JSON = {"Content-Type": "application/json"}


class Asker:
    """Asks operations with a key that may do everything."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def send(self, operation: Operation, body: object, id_: object = UNKNOWN) -> Response:
        """Send `body` as JSON, also what Python's encoder would rather not write."""
        return self.send_bytes(operation, json.dumps(body).encode(), id_)

    def send_bytes(self, operation: Operation, body: bytes, id_: object = UNKNOWN, **headers: str) -> Response:
        return self.client.request(operation.method, operation.url(id_), content=body, headers=JSON | headers)

    def get(self, operation: Operation, **query: Any) -> Response:
        return self.client.get(operation.url(), params=query)


@contextmanager
def asker(engine: Engine) -> Iterator[Asker]:
    settings = Settings(_env_file=None, api_requests_per_minute=10**6, api_failed_attempts_per_minute=10**6)  # type: ignore[call-arg]
    headers = {"Authorization": f"Bearer {make_key(make_sessions(engine), Scope.ADMIN)}"}
    with TestClient(create_app(settings, engine), raise_server_exceptions=False, headers=headers) as client:
        yield Asker(client)


def is_problem(answer: Response, status: int, *fields: str) -> bool:
    """Whether it is this problem, about exactly these fields, and says nothing else that was sent."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    said = answer.json()
    assert (said["status"], answer.status_code) == (status, status), said
    if fields:
        assert {error["field"] for error in said["errors"]} == set(fields), said
    return True
