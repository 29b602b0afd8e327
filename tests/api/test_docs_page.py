"""The documentation in the browser: complete without the internet, closed in production."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.building import create_app
from comms.config import Settings
from tests.api.conftest import Client


@pytest.fixture
def visitor(client_with: Client) -> TestClient:
    """Has no key."""
    return client_with()


def test_all_that_the_page_loads_comes_from_here(visitor: TestClient) -> None:
    page = visitor.get("/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["content-type"].startswith("text/html")
    assert sorted(loaded) == ["data:,", "docs/start.js", "docs/swagger-ui-bundle.js", "docs/swagger-ui.css"]
    assert {visitor.get(f"/{name}").status_code for name in loaded if name != "data:,"} == {200}
    assert "http" not in page.text + visitor.get("/docs/start.js").text


def test_the_browser_is_told_to_call_nobody_else(visitor: TestClient) -> None:
    policy = visitor.get("/docs").headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "http" not in policy
    assert "*" not in policy


def test_the_page_shows_our_document(visitor: TestClient) -> None:
    assert 'url: "openapi.json"' in visitor.get("/docs/start.js").text
    assert visitor.get("/openapi.json").json()["info"]["title"] == "Communication service"


def test_the_page_stands_in_no_document(visitor: TestClient) -> None:
    assert [path for path in visitor.get("/openapi.json").json()["paths"] if path.startswith("/docs")] == []


@pytest.mark.parametrize(
    "path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/openapi.json", "/redoc"]
)
def test_in_production_there_is_none_of_it(empty_sqlite: Engine, settings: Settings, path: str) -> None:
    production = create_app(settings.model_copy(update={"environment": "production"}), empty_sqlite)

    with TestClient(production) as visitor:
        assert visitor.get(path).status_code == 404
