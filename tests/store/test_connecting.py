"""How PostgreSQL is connected to: with limits of ours, unless the URL says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from comms.store.engines import make_engine, make_glancing

LIMITS = {"statement_timeout": "1min", "lock_timeout": "30s", "idle_in_transaction_session_timeout": "1min"}
ALWAYS = {"synchronous_commit": "on", "TimeZone": "UTC"}


def settings(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {name: str(connection.scalar(text(f"SHOW {name}"))) for name in LIMITS | ALWAYS}


@pytest.fixture
def said(postgres_engine: Engine, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine whose URL says this in its query."""
    engine = make_engine(postgres_engine.url.update_query_dict(request.param))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("said", [{}], indirect=True)
def test_nothing_waits_forever_and_all_is_durable(said: Engine) -> None:
    assert settings(said) == LIMITS | ALWAYS


@pytest.mark.parametrize("said", [{"options": "-c statement_timeout=1234 -c work_mem=8MB"}], indirect=True)
def test_what_the_url_says_of_limits_holds_and_the_others_stay(said: Engine) -> None:
    expected = LIMITS | ALWAYS | {"statement_timeout": "1234ms"}
    glancing = make_glancing(said)
    found = settings(said), settings(glancing)
    glancing.dispose()
    assert found == (expected, expected)


@pytest.mark.parametrize("said", [{"options": "-c synchronous_commit=off -c timezone=Asia/Tokyo"}], indirect=True)
def test_nobody_can_have_commits_that_are_lost_or_times_that_are_local(said: Engine) -> None:
    assert settings(said) == LIMITS | ALWAYS


@pytest.mark.parametrize("said", [{"connect_timeout": "3"}], indirect=True)
def test_the_url_says_how_long_connecting_may_take(said: Engine) -> None:
    with said.connect() as connection:
        driver: Any = connection.connection.driver_connection
    assert driver.info.dsn_parameters["connect_timeout"] == "3"
