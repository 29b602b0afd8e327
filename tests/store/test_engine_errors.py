"""What SQLAlchemy says of an error holds no row (PostgreSQL's own words may: `comms.bootstrap.trouble`)."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from comms.store import engines
from comms.store.session import Sessions, make_sessions, writing
from tests.factories import make_therapist


def test_an_error_of_the_database_does_not_quote_what_was_written(sessions: Sessions) -> None:
    with pytest.raises(DBAPIError) as raised, writing(sessions) as session:
        make_therapist(session, last_name="Geheimrat", status="unheard of")
    assert "[SQL parameters hidden" in str(raised.value)


def test_a_lock_that_stays_taken_is_an_error_that_everybody_knows(
    empty_sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 10)
    second = make_sessions(engines.make_engine(empty_sqlite.url))
    with writing(make_sessions(empty_sqlite)), pytest.raises(OperationalError), writing(second):
        raise AssertionError("two writers at once")
