"""Owner, application and reader on a real PostgreSQL: each can do its work and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from comms.store.differences import differences
from comms.store.engines import make_engine
from comms.store.models import Base
from comms.store.session import make_sessions, writing
from tests.factories import make_email, make_request, make_therapist
from tests.servers.roles import as_role, database_with_roles

HARMLESS = {
    "alembic_version": "version_num",
    "api_keys": "name scopes created_by",
    "audit_log": "actor action subject_type",
    "contact_ledger": "holder kind",
    "contact_state": "held_by",
    "dead_letters": "topic event_id event_type reason place",
    "delivery_attempts": "owner outcome phase enhanced fault",
    "email_batches": "correlation_id response_outcome",
    "emails": (
        "batch_id status status_reason template template_version language owner error_kind error_message rejected_on"
        " correlation_id"
    ),
    "heartbeats": "part state code",
    "inbox_events": "consumer event_id event_type subject topic fault outcome",
    "job_runs": "job key state counts",
    "leases": "role owner",
    "outbox_events": "event_id event_type key payload correlation_id causation_id origin_ids fault parked_reason",
    "patients": "registered_on",
    "phone_call_batches": "outcome",
    "phone_calls": "kind status status_reason correlation_id",
    "placement_requests": "status status_reason correlation_id",
    "plan_decisions": "run_key reason next_date",
    "platform_updates": "status fault",
    "staff_items": "subject_type reason details resolved_by",
    "staff_settings": "key value updated_by",
    "suppressions": "created_by",
    "therapists": "land language status phone_availability phone_availability_faults next_contact_possible",
    "topic_marks": "topic",
}
"""Columns of words in which no person and no text of one stands, by table."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with database_with_roles(tmp_path_factory.mktemp("pg")) as url:
        yield url


@contextmanager
def engine_of(url: str, role: str) -> Iterator[Engine]:
    engine = make_engine(as_role(url, role))
    try:
        yield engine
    finally:
        engine.dispose()


def refused(engine: Engine, statement: str) -> bool:
    with engine.connect() as connection, pytest.raises(ProgrammingError) as raised:
        connection.execute(text(statement))
    return getattr(raised.value.orig, "pgcode", None) == "42501"


def test_the_owner_migrates_and_compares(service: str) -> None:
    with engine_of(service, "comms_owner") as owner:
        assert differences(owner) == []


def test_the_application_does_all_that_the_service_does_to_rows(service: str) -> None:
    with engine_of(service, "comms_app") as app:
        with writing(make_sessions(app)) as session:
            therapist = make_therapist(session)
            make_email(session, therapist, [make_request(session, therapist)])
        emptied = "; ".join(f"DELETE FROM {table.name}" for table in reversed(Base.metadata.sorted_tables))
        with app.begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM emails")) == 1
            connection.execute(text(emptied))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (id int)",
        "ALTER TABLE emails ADD COLUMN more int",
        "DROP TABLE emails",
        "DROP INDEX ix_emails_due",
        "TRUNCATE emails CASCADE",
        "CREATE SCHEMA more",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE ROLE more",
    ],
)
def test_the_application_cannot_change_the_schema(service: str, statement: str) -> None:
    with engine_of(service, "comms_app") as app:
        assert refused(app, statement)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM emails", "UPDATE emails SET version = 2", "INSERT INTO leases VALUES ('a', 'b', now())"],
)
def test_the_reader_cannot_write_even_where_it_says_so(service: str, statement: str) -> None:
    with engine_of(service, "comms_reader") as reader:
        assert refused(reader, f"SET TRANSACTION READ WRITE; {statement}")


@pytest.mark.parametrize(
    "columns",
    [
        "first_name FROM therapists",
        "diagnosis FROM patients",
        "body_text FROM emails",
        "raw FROM emails",
        "* FROM emails",
    ],
)
def test_the_reader_sees_no_person_and_no_text(service: str, columns: str) -> None:
    with engine_of(service, "comms_reader") as reader:
        assert refused(reader, f"SELECT {columns}")


def test_what_the_reader_sees_in_words_is_what_was_looked_at(service: str) -> None:
    """A new column of text is decided about here: it is no person's, or it stands in the list of the script."""
    asked = text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type NOT IN ('bigint', 'integer', 'boolean', 'timestamp with time zone')"
        " AND has_column_privilege('comms_reader', quote_ident(table_name), column_name, 'SELECT')"
    )
    with engine_of(service, "comms_owner") as owner, owner.connect() as connection:
        seen = {(place, column) for place, column in connection.execute(asked)}
    assert seen == {(place, column) for place, columns in HARMLESS.items() for column in columns.split()}


def test_a_stranger_cannot_connect(service: str) -> None:
    with engine_of(service, "comms_owner") as owner, owner.connect() as connection:
        assert not connection.scalar(text("SELECT has_database_privilege('public', current_database(), 'CONNECT')"))
