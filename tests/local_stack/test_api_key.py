"""The key that `comms up` and `comms demo` show: made once, kept for its owner, made anew when it opens nothing."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import select, update

from comms.config import Settings
from comms.local_stack.api_key import FILE, SHORT, keep_key
from comms.local_stack.up import address_table
from comms.services.keys import Key, find_key, list_keys, revoke_key
from comms.store.engines import clock
from comms.store.models import ApiKey, AuditEntry
from comms.store.session import Sessions, reading, writing


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    return Settings(_env_file=None, home=home, database_url=database_url)  # type: ignore[call-arg]


def key_of(sessions: Sessions, secret: str | None) -> Key:
    assert secret is not None
    with reading(sessions) as session:
        found = find_key(session, secret)
    assert found is not None
    return found


def test_it_may_do_everything_and_is_kept_for_its_owner_alone(settings: Settings, sessions: Sessions) -> None:
    secret = keep_key(settings)

    assert key_of(sessions, secret).scopes == ("admin",)
    assert (settings.home / FILE).read_text() == f"{secret}\n"
    assert (settings.home / FILE).stat().st_mode & 0o777 == 0o600


def test_the_next_start_shows_the_same_one(settings: Settings, sessions: Sessions) -> None:
    assert keep_key(settings) == keep_key(settings)
    with reading(sessions) as session:
        assert len(list_keys(session)) == 1


def test_it_lives_a_year_and_in_a_demo_a_week(settings: Settings, sessions: Sessions) -> None:
    long = key_of(sessions, keep_key(settings))
    (settings.home / FILE).unlink()
    short = key_of(sessions, keep_key(settings, SHORT))

    assert long.expires_at - long.created_at == timedelta(days=365)
    assert short.expires_at - short.created_at == timedelta(days=7)


def test_one_that_was_revoked_is_replaced(settings: Settings, sessions: Sessions) -> None:
    old = keep_key(settings)
    with writing(sessions) as session:
        revoke_key(session, key_of(sessions, old).name, clock(session), "test")

    new = keep_key(settings)
    assert new != old
    assert (settings.home / FILE).read_text() == f"{new}\n"


def test_one_that_ends_within_a_day_is_replaced(settings: Settings, sessions: Sessions) -> None:
    old = keep_key(settings)
    with writing(sessions) as session:
        session.execute(update(ApiKey).values(expires_at=clock(session) + timedelta(hours=23)))

    assert keep_key(settings) != old


@pytest.mark.parametrize("spoiled", [b"", b"comms_of-another-database\n", b"\xff\xfe\x00"])
def test_a_spoiled_file_is_replaced_and_closed_to_others(
    settings: Settings, sessions: Sessions, spoiled: bytes
) -> None:
    path = settings.home / FILE
    path.write_bytes(spoiled)
    path.chmod(0o644)

    assert key_of(sessions, keep_key(settings)).scopes == ("admin",)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_kept_is_not_made(settings: Settings, sessions: Sessions) -> None:
    with pytest.raises(FileNotFoundError):
        keep_key(settings.model_copy(update={"home": settings.home / "missing"}))
    with reading(sessions) as session:
        assert list_keys(session) == []


def test_in_production_none_is_made_and_a_kept_one_is_not_shown(settings: Settings, sessions: Sessions) -> None:
    keep_key(settings)
    production = settings.model_copy(update={"environment": "production"})

    assert keep_key(production) is None
    with reading(sessions) as session:
        assert len(list_keys(session)) == 1


def test_its_making_stands_in_the_audit_log_and_itself_does_not(settings: Settings, sessions: Sessions) -> None:
    secret = keep_key(settings)

    with reading(sessions) as session:
        (entry,) = session.execute(select(AuditEntry.actor, AuditEntry.action, AuditEntry.details)).all()
    assert (entry.actor, entry.action) == ("local stack", "key.create")
    assert str(secret) not in str(entry)


def test_the_table_shows_it_in_full_below_the_api_however_narrow_the_terminal(settings: Settings) -> None:
    secret = str(keep_key(settings))
    told = StringIO()
    Console(file=told, width=40).print(address_table({"api": "http://127.0.0.1:8000/docs", "home": "here"}, secret))

    cells = "".join(line[len("files and log  ") :].strip() for line in told.getvalue().splitlines()[1:])
    assert cells == f"http://127.0.0.1:8000/docs{secret}here"
