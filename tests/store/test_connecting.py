"""How PostgreSQL is connected to: with limits of ours, unless the URL says otherwise."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from comms.store.engines import make_engine, make_glancing

LIMITS = {"statement_timeout": "1min", "lock_timeout": "30s", "idle_in_transaction_session_timeout": "1min"}
ALWAYS = {"synchronous_commit": "on", "TimeZone": "UTC"}


def settings(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {name: str(connection.scalar(text(f"SHOW {name}"))) for name in LIMITS | ALWAYS}


@pytest.fixture
def said(postgres_engine: Engine, request: pytest.FixtureRequest) -> Engine:
    """An engine whose URL says this in `options`."""
    return make_engine(postgres_engine.url.update_query_dict({"options": request.param}))


def test_nothing_waits_forever_and_all_is_durable(postgres_engine: Engine) -> None:
    assert settings(make_engine(postgres_engine.url)) == LIMITS | ALWAYS


@pytest.mark.parametrize("said", ["-c statement_timeout=1234 -c work_mem=8MB"], indirect=True)
def test_what_the_url_says_of_limits_holds_and_the_others_stay(said: Engine) -> None:
    expected = LIMITS | ALWAYS | {"statement_timeout": "1234ms"}
    assert (settings(said), settings(make_glancing(said))) == (expected, expected)


@pytest.mark.parametrize("said", ["-c synchronous_commit=off -c timezone=Asia/Tokyo"], indirect=True)
def test_nobody_can_have_commits_that_are_lost_or_times_that_are_local(said: Engine) -> None:
    assert settings(said) == LIMITS | ALWAYS


def test_the_url_says_how_long_connecting_may_take(postgres_engine: Engine) -> None:
    with make_engine(postgres_engine.url.update_query_dict({"connect_timeout": "3"})).connect() as connection:
        assert connection.connection.dbapi_connection.info.dsn_parameters["connect_timeout"] == "3"  # type: ignore[union-attr]
