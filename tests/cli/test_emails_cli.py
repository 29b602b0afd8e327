"""`comms emails …`, `suppress`, `staff-list`, `pause` and `resume`, as a person types them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from comms import bootstrap
from comms.cli import answers, main
from comms.config import get_config
from comms.errors import BadInput
from comms.services.pause import sending_paused
from comms.store.models import Email
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item
from tests.factories import NOW, make_therapist
from tests.services.email_rows import audited, email_in, fresh, holders, request_ids, statuses


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def comms(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """Run one command against the test's database, as the entry point does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("LOGNAME", "anja")
    monkeypatch.setenv("COLUMNS", "200")
    made_once = (get_config, bootstrap.engine, bootstrap.sessions, bootstrap.correspondence)
    for made in made_once:
        made.cache_clear()

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["comms", *map(str, words)])
        with pytest.raises(SystemExit) as exited:
            main()
        said = capsys.readouterr()
        code = exited.value.code
        return Said(code if isinstance(code, int) else 0, said.out, said.err)

    yield run
    if bootstrap.engine.cache_info().currsize:
        bootstrap.engine().dispose()
    for made in made_once:
        made.cache_clear()


Comms = Callable[..., Said]


def stored(sessions: Sessions, status: str, **facts: Any) -> Email:
    with writing(sessions) as session:
        return email_in(session, status, **facts)


def status_of(sessions: Sessions, email: Email) -> str:
    with reading(sessions) as session:
        return str(session.get_one(Email, email.id).status)


def requests_of(sessions: Sessions, email: Email) -> list[int]:
    with reading(sessions) as session:
        return request_ids(session, email)


def test_emails_are_listed_for_people_and_for_programs(comms: Comms, sessions: Sessions) -> None:
    sent, draft = stored(sessions, "sent"), stored(sessions, "draft")
    assert [email["id"] for email in comms("emails", "list", "--json").json] == [draft.id, sent.id]
    table = comms("emails", "list", "--status", "sent").out.splitlines()
    assert len(table) == 2
    assert table[1].split()[:3] == [str(sent.id), str(sent.therapist_id), "sent"]


def test_a_status_that_does_not_exist_is_refused(comms: Comms) -> None:
    said = comms("emails", "list", "--status", "posted")
    assert said.code == 2
    assert "in_doubt" in said.err


def test_one_email_is_shown_with_its_requests_and_its_words(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "sent", patients=2, subject="Anfrage [bold]für[/] Sie")
    said = comms("emails", "show", email.id)
    assert "Anfrage [bold]für[/] Sie" in said.out
    assert all(str(id_) in said.out for id_ in requests_of(sessions, email))
    shown = comms("emails", "show", email.id, "--json").json
    assert (shown["status"], len(shown["batches"]), shown["attempts"][0]["outcome"]) == ("sent", 2, "accept")


def test_an_email_that_does_not_exist_is_one_line_and_exit_code_1(comms: Comms) -> None:
    assert comms("emails", "show", 4711) == Said(1, "", "not_found: there is no email 4711\n")


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        (["queue"], "draft", "queued"),
        (["cancel"], "queued", "canceled"),
        (["requeue"], "failed", "queued"),
        (["resolve", "sent"], "in_doubt", "sent"),
        (["resolve", "bounced"], "in_doubt", "bounced"),
        (["resolve", "queued"], "in_doubt", "queued"),
        (["resolve", "canceled"], "in_doubt", "canceled"),
        (["bounce"], "sent", "bounced"),
    ],
)
def test_each_verb_moves_the_email(comms: Comms, sessions: Sessions, words: list[str], before: str, after: str) -> None:
    email = stored(sessions, before)
    said = comms("emails", words[0], email.id, *words[1:])
    assert (said.code, said.err) == (0, "")
    assert status_of(sessions, email) == after


def test_a_move_that_the_status_forbids_says_what_is_possible(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "sent")
    said = comms("emails", "cancel", email.id)
    assert said.code == 1
    assert " ".join(said.err.split()) == (
        f"move_not_allowed: email {email.id} is sent and cannot cancel; moves from here: bounce"
    )


def test_the_contact_rule_refuses_and_an_override_breaks_it(comms: Comms, sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email_in(session, "queued", therapist=therapist)
        draft = email_in(session, "draft", therapist=therapist)
    refused = comms("emails", "queue", draft.id)
    assert (refused.code, "contacted_recently" in refused.err) == (1, True)
    assert comms("emails", "queue", draft.id, "--override", "asked by phone").code == 0
    with reading(sessions) as session:
        assert {holder for holder, _ in holders(session, draft)} == {f"email:{draft.id}"}


def test_canceling_may_withdraw_the_requests(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "queued")
    comms("emails", "cancel", email.id, "--requests", "withdraw", "--reason", "duplicate")
    with reading(sessions) as session:
        assert statuses(session, *request_ids(session, email)) == ["withdrawn"]


def test_the_login_stands_in_the_audit_log(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "queued")
    comms("emails", "cancel", email.id)
    with reading(sessions) as session:
        assert audited(session) == [("cli:anja", "email.cancel", email.id)]


def test_an_answer_is_recorded_per_request_with_the_rest_alike(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "sent", patients=3)
    one, two, three = requests_of(sessions, email)
    said = comms("emails", "respond", email.id, "--answer", f"{two}=accepted", "--all", "rejected", "--json").json
    assert said["outcomes"] == {str(one): "rejected", str(two): "accepted", str(three): "rejected"}
    with reading(sessions) as session:
        assert statuses(session, one, two, three) == ["rejected", "accepted", "rejected"]


def test_requests_without_an_outcome_are_named(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "sent", patients=2)
    one, two = requests_of(sessions, email)
    said = comms("emails", "respond", email.id, "--answer", f"{one}=rejected")
    assert f"without an outcome, on the staff list: {two}" in said.out
    assert [item["reason"] for item in comms("staff-list", "--json").json] == ["outcome_missing"]


def test_note_and_date_of_an_answer_are_kept(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "sent", created_at=datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    comms("emails", "respond", email.id, "--all", "rejected", "--note", "leider nein", "--date", "2026-03-02")
    with reading(sessions) as session:
        row = fresh(session, session.get_one(Email, email.id))
        assert (row.response_content, row.rejected_on.isoformat()) == ("leider nein", "2026-03-02")


@pytest.mark.parametrize("text", ["17", "x=accepted", "17=maybe", "=accepted", "-17=accepted", "17:accepted", ""])
def test_an_answer_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--answer"):
        answers.read_answers([text], None, [17])


def test_a_request_named_twice_is_refused() -> None:
    with pytest.raises(BadInput, match="17 is named twice"):
        answers.read_answers(["17=accepted", "17=rejected"], None, [17])


def test_outcomes_may_be_typed_with_hyphens_and_capitals() -> None:
    assert answers.read_answers(["17=Needs-Follow-Up"], None, [17]) == {17: "needs_follow_up"}


@pytest.mark.parametrize("text", ["02.03.2026", "2026-13-01", "yesterday"])
def test_a_date_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--date: not a date"):
        answers.read_day(text, NOW, bootstrap.settings().time_zone)


def test_a_mailbox_is_suppressed_listed_and_allowed_again(comms: Comms, sessions: Sessions) -> None:
    email = stored(sessions, "queued")
    assert comms("suppress", email.mailbox.upper(), "--reason", "asked").out == (
        "suppressed; 1 waiting emails canceled\n"
    )
    assert [item["mailbox"] for item in comms("suppress", "--list", "--json").json] == [email.mailbox]
    assert email.mailbox in comms("suppress", "--list").out
    assert comms("suppress", email.mailbox, "--remove").out == "allowed again\n"
    assert comms("suppress", email.mailbox, "--remove").out == "was not suppressed\n"


def test_suppressing_nothing_asks_for_an_address(comms: Comms) -> None:
    said = comms("suppress")
    assert (said.code, said.err) == (1, "bad_input: ADDRESS: name an address, or use --list\n")


def test_the_staff_list_shows_reason_subject_and_verb_and_is_worked_off(comms: Comms, sessions: Sessions) -> None:
    with writing(sessions) as session:
        raise_item(session, "email", 12, "email_in_doubt", NOW.replace(year=2025))
    (item,) = comms("staff-list", "--json").json
    assert (item["reason"], item["subject_id"], item["verb"]) == ("email_in_doubt", 12, "resolve")
    assert "email 12" in comms("staff-list").out
    assert comms("staff-list", "--close", item["id"]).out == f"item {item['id']} is closed\n"
    assert comms("staff-list", "--json").json == []


def test_sending_is_paused_and_resumed(comms: Comms, sessions: Sessions) -> None:
    assert comms("pause", "--reason", "the relay moves").out == "sending is paused\n"
    with reading(sessions) as session:
        assert sending_paused(session)
    assert comms("resume").out == "sending goes on\n"
    with reading(sessions) as session:
        assert not sending_paused(session)


def test_a_draft_that_a_person_wrote_gets_its_bytes_when_it_is_queued(comms: Comms, sessions: Sessions) -> None:
    draft = stored(sessions, "draft", raw=None, template=None)
    assert comms("emails", "queue", draft.id).code == 0
    with reading(sessions) as session:
        raw = fresh(session, session.get_one(Email, draft.id)).raw
    assert b"Auto-Submitted: auto-generated" in raw
    assert draft.message_id.encode() in raw
