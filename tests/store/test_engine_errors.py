"""What SQLAlchemy says of an error holds no row (PostgreSQL's own words may: `comms.bootstrap.trouble`)."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from comms.store.session import Sessions, writing
from tests.factories import make_therapist


def test_an_error_of_the_database_does_not_quote_what_was_written(sessions: Sessions) -> None:
    with pytest.raises(DBAPIError) as raised, writing(sessions) as session:
        make_therapist(session, last_name="Geheimrat", status="unheard of")
    assert "[SQL parameters hidden" in str(raised.value)
