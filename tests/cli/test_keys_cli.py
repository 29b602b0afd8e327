"""`comms keys …`, as a person types it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from comms.rules.scopes import Scope
from comms.services.keys import find_key
from comms.store.engines import clock
from comms.store.models import ApiKey, AuditEntry
from comms.store.session import Sessions, reading
from tests.cli.test_emails_cli import Comms, comms

__all__ = ["comms"]  # the fixture


def usable(sessions: Sessions, secret: str) -> bool:
    with reading(sessions) as session:
        key = find_key(session, secret)
        return key is not None and key.usable(clock(session))


def test_a_new_key_stands_alone_on_stdout_and_opens_the_api(comms: Comms, sessions: Sessions) -> None:
    said = comms("keys", "create", "--name", "crm", "--scope", "read", "--scope", "write")

    assert said.code == 0
    assert said.out.startswith("comms_")
    assert said.out.count("\n") == 1
    assert usable(sessions, said.out.strip())
    assert "shown only now; scopes: read, write" in said.err


def test_as_json_it_comes_with_what_else_there_is_to_know(comms: Comms, sessions: Sessions) -> None:
    made = comms("keys", "create", "--name", "ops", "--scope", "ops", "--expires", 7, "--json").json

    assert list(made) == ["key", "id", "name", "scopes", "expires_at"]
    assert usable(sessions, made["key"])
    with reading(sessions) as session:
        row = session.get_one(ApiKey, made["id"])
        assert (row.name, row.scopes, row.created_by) == ("ops", ["ops"], "cli:anja")
        assert row.expires_at - row.created_at == timedelta(days=7)
        assert datetime.fromisoformat(made["expires_at"]) == row.expires_at


def test_a_key_lives_a_year_where_nothing_is_said(comms: Comms, sessions: Sessions) -> None:
    made = comms("keys", "create", "--name", "crm", "--scope", "read", "--json").json

    with reading(sessions) as session:
        row = session.get_one(ApiKey, made["id"])
        assert row.expires_at - row.created_at == timedelta(days=365)


def test_no_list_and_no_table_ever_shows_a_key_again(comms: Comms, sessions: Sessions) -> None:
    secret = comms("keys", "create", "--name", "crm", "--scope", "admin").out.strip()

    told = comms("keys", "list").out + comms("keys", "list", "--json").out
    with reading(sessions) as session:
        stored = str(session.execute(select(ApiKey.__table__)).all()) + str(
            session.execute(select(AuditEntry.__table__)).all()
        )
    assert "crm" in told
    assert secret not in told
    assert secret not in stored
    assert secret.removeprefix("comms_") not in stored


def test_the_list_says_what_each_may_and_whether_it_still_opens(comms: Comms) -> None:
    comms("keys", "create", "--name", "old", "--scope", "read")
    comms("keys", "create", "--name", "new", "--scope", "write", "--scope", "read")
    comms("keys", "revoke", "old")

    new, old = comms("keys", "list", "--json").json
    assert (new["name"], new["scopes"], new["usable"], new["revoked_at"]) == ("new", ["read", "write"], True, None)
    assert (old["name"], old["usable"]) == ("old", False)
    assert old["revoked_at"] is not None
    table = comms("keys", "list").out
    assert "read, write" in table
    assert "usable" in table
    assert "revoked" in table


def test_a_revoked_key_opens_nothing_and_revoking_twice_is_no_fault(comms: Comms, sessions: Sessions) -> None:
    secret = comms("keys", "create", "--name", "crm", "--scope", "read").out.strip()

    assert comms("keys", "revoke", "crm").out == "revoked\n"
    assert comms("keys", "revoke", "crm").out == "was revoked before\n"
    assert not usable(sessions, secret)
    with reading(sessions) as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["key.create", "key.revoke"]


def test_a_rotated_key_has_a_new_secret_and_the_old_one_for_a_while(comms: Comms, sessions: Sessions) -> None:
    made = comms("keys", "create", "--name", "crm", "--scope", "read", "--expires", 7, "--json").json
    said = comms("keys", "rotate", "crm", "--overlap", 2)
    new = said.out.strip()

    assert new.startswith("comms_")
    assert "the old secret opens for 2 hours" in said.err
    with reading(sessions) as session:
        now = clock(session)
        old, found = find_key(session, made["key"]), find_key(session, new)
        assert old
        assert found
        assert (old.id, old.scopes) == (found.id, found.scopes) == (made["id"], ("read",))
        assert old.usable(now)
        assert not old.usable(now + timedelta(hours=2))
        assert found.usable(now + timedelta(days=364))
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["key.create", "key.rotate"]
    assert comms("keys", "list", "--json").json[0]["previous_until"] is not None


def test_only_the_secret_before_the_last_rotation_overlaps(comms: Comms, sessions: Sessions) -> None:
    first = comms("keys", "create", "--name", "crm", "--scope", "read").out.strip()
    second = comms("keys", "rotate", "crm").out.strip()
    third = comms("keys", "rotate", "crm").out.strip()
    assert [usable(sessions, secret) for secret in (first, second, third)] == [False, True, True]

    fourth = comms("keys", "rotate", "crm", "--overlap", 0).out.strip()
    assert [usable(sessions, secret) for secret in (third, fourth)] == [False, True]

    comms("keys", "revoke", "crm")
    assert not usable(sessions, fourth)
    said = comms("keys", "rotate", "crm")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("conflict: the key crm was revoked")


def test_an_old_secret_lives_no_longer_than_its_key_would_have(comms: Comms, sessions: Sessions) -> None:
    old = comms("keys", "create", "--name", "crm", "--scope", "read", "--expires", 1).out.strip()
    comms("keys", "rotate", "crm", "--overlap", 720)

    with reading(sessions) as session:
        found = find_key(session, old)
        assert found
        assert not found.usable(clock(session) + timedelta(days=1))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["create", "--name", "x"], f"bad_input: scope: one or more of: {', '.join(Scope)}"),
        (["create", "--name", "x", "--scope", "reed"], f"bad_input: scope: one or more of: {', '.join(Scope)}"),
        (["create", "--name", " ", "--scope", "read"], "bad_input: name: needs 1 to 80 printable characters"),
        (["create", "--name", "x" * 81, "--scope", "read"], "bad_input: name: needs 1 to 80 printable characters"),
        (["create", "--name", "a\nb", "--scope", "read"], "bad_input: name: needs 1 to 80 printable characters"),
        (["rotate", "nobody"], "not_found: there is no key nobody"),
        (["revoke", "nobody"], "not_found: there is no key nobody"),
    ],
)
def test_what_cannot_be_is_one_line_on_stderr(comms: Comms, words: list[str], line: str) -> None:
    said = comms("keys", *words)

    assert (said.code, said.out, said.err) == (1, "", f"{line}\n")


def test_a_taken_name_is_refused_also_after_its_key_was_revoked(comms: Comms) -> None:
    comms("keys", "create", "--name", "crm", "--scope", "read")
    comms("keys", "revoke", "crm")

    said = comms("keys", "create", "--name", "crm", "--scope", "read")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("conflict: there is a key called crm already")


@pytest.mark.parametrize("days", ["0", "-1", "3661", "10000000000000", "soon"])
def test_a_life_that_no_key_can_have_makes_none(comms: Comms, days: str) -> None:
    said = comms("keys", "create", "--name", "crm", "--scope", "read", "--expires", days)

    assert (said.code, said.out) == (2, "")
    assert comms("keys", "list", "--json").json == []
