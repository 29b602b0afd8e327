"""What a command says when the database fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from comms.cli import main
from comms.cli.trouble import of_database
from comms.config import get_config
from comms.local_stack.ports import HOST, free_port
from comms.store.engines import make_engine
from comms.store.models import Suppression
from comms.store.session import Sessions, make_sessions, reading, writing
from tests.factories import NOW
from tests.faults.postgres_proxy import PostgresProxy, When


@pytest.mark.parametrize("command", ["plan", "staff-list", "pause", "emails list", "run send-queue", "db check"])
def test_a_database_that_is_away_is_one_line_that_names_the_setting_and_not_its_value(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://anja:geheim@{HOST}:{free_port()}/praxis")
    monkeypatch.setattr(sys, "argv", ["comms", *command.split()])
    get_config.cache_clear()
    with pytest.raises(SystemExit) as exited:
        main()
    get_config.cache_clear()
    said = capsys.readouterr()
    assert (exited.value.code, said.out) == (1, "")
    assert said.err == "database_away: the database does not answer: does it run, and is DATABASE_URL right?\n"


def test_what_the_database_says_of_a_row_is_not_told(sessions: Sessions) -> None:
    row = {"mailbox": "praxis@t.example", "created_by": "test", "created_at": NOW}
    with pytest.raises(SQLAlchemyError) as raised, writing(sessions) as session:
        session.add_all([Suppression(**row), Suppression(**row)])
    told = of_database(raised.value)
    assert told is not None
    assert (told.code, "praxis" in str(told), "IntegrityError at " in str(told)) == ("step_failed", False, True)


@pytest.mark.parametrize(("when", "written"), [(When.BEFORE, 0), (When.AFTER, 1)])
def test_a_commit_without_an_answer_is_told_as_unknown_for_it_may_be_written(
    empty_postgresql: Engine, when: When, written: int
) -> None:
    url = empty_postgresql.url
    assert url.port
    with PostgresProxy(url.port) as proxy:
        proxy.arm(1, when, proxy.reset)
        through = make_engine(url.set(port=proxy.port))
        with pytest.raises(SQLAlchemyError) as raised, writing(make_sessions(through)) as session:
            session.add(Suppression(mailbox="praxis@t.example", created_by="test", created_at=NOW))
        through.dispose()
    told = of_database(raised.value)
    assert told is not None
    assert (told.code, "look whether" in str(told)) == ("commit_lost", True)
    with reading(make_sessions(empty_postgresql)) as session:
        assert len(session.scalars(select(Suppression)).all()) == written


def test_a_statement_that_takes_too_long_is_told_with_its_code(empty_postgresql: Engine) -> None:
    with pytest.raises(SQLAlchemyError) as raised, empty_postgresql.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)"))
    told = of_database(raised.value)
    assert told is not None
    assert (told.code, "(code 57014)" in str(told)) == ("database_away", True)


def test_a_right_that_the_role_has_not_is_told_with_the_role_that_has_it(empty_postgresql: Engine) -> None:
    with pytest.raises(SQLAlchemyError) as raised, empty_postgresql.connect() as connection:
        connection.execute(text("SET LOCAL ROLE pg_monitor; CREATE SCHEMA more"))
    told = of_database(raised.value)
    assert told is not None
    assert (told.code, "is for comms_owner" in str(told)) == ("not_allowed", True)


def test_an_error_of_the_program_keeps_its_traceback() -> None:
    assert of_database(ZeroDivisionError()) is None
