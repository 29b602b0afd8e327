"""Mailboxes that must never be written to."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from comms.errors import BadInput
from comms.services.suppressions import list_suppressions, suppress_mailbox, unsuppress_mailbox
from comms.store.models import Email
from comms.store.session import Sessions, writing
from tests.factories import NOW, make_therapist
from tests.services.email_rows import audited, email_in, events, fresh, holders, request_ids, statuses

ME = "cli:test"


def email_to(session: Session, address: str, status: str = "queued") -> Email:
    return email_in(session, status, therapist=make_therapist(session, email=address, mailbox=address.lower()))


def test_suppressing_cancels_what_waits_for_the_mailbox_and_nothing_else(sessions: Sessions) -> None:
    with writing(sessions) as session:
        mine, other = email_to(session, "praxis@t.example"), email_to(session, "andere@t.example")
        done = suppress_mailbox(session, "praxis@t.example", NOW, ME, "asked us to stop")
        assert (done.new, done.canceled) == (True, (mine.id,))
        assert (fresh(session, mine).status, mine.status_reason) == ("canceled", "suppressed_mailbox")
        assert fresh(session, other).status == "queued"


def test_its_requests_are_open_again_and_its_contact_is_released(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_to(session, "praxis@t.example")
        suppress_mailbox(session, "praxis@t.example", NOW, ME)
        assert statuses(session, *request_ids(session, email)) == ["open"]
        assert holders(session, email) == {(None, None)}
        assert [(kind, payload["reason"]) for kind, payload in events(session)] == [
            ("email_canceled", "suppressed_mailbox")
        ]


@pytest.mark.parametrize("spelling", ["PRAXIS@T.EXAMPLE", " praxis+neu@t.example ", "praxis@T.example."])
def test_every_spelling_of_the_mailbox_is_meant(sessions: Sessions, spelling: str) -> None:
    with writing(sessions) as session:
        email = email_to(session, "praxis@t.example")
        assert suppress_mailbox(session, spelling, NOW, ME).canceled == (email.id,)


def test_an_email_that_a_sender_holds_is_taken_from_it(sessions: Sessions) -> None:
    with writing(sessions) as session:
        email = email_to(session, "praxis@t.example", "sending")
        version = email.version
        assert suppress_mailbox(session, "praxis@t.example", NOW, ME).canceled == ()
        assert (fresh(session, email).version, email.stale) == (version + 1, False)


def test_drafts_and_sent_emails_stay_as_they_are(sessions: Sessions) -> None:
    with writing(sessions) as session:
        kept = [email_to(session, "praxis@t.example", status) for status in ("draft", "sent", "failed")]
        suppress_mailbox(session, "praxis@t.example", NOW, ME)
        assert [fresh(session, email).status for email in kept] == ["draft", "sent", "failed"]


def test_suppressing_twice_is_recorded_once(sessions: Sessions) -> None:
    with writing(sessions) as session:
        first = suppress_mailbox(session, "praxis@t.example", NOW, ME, "asked us to stop")
        again = suppress_mailbox(session, "Praxis@t.example", NOW, "cli:other", "another reason")
        assert (again.id, again.new) == (first.id, False)
        (only,) = list_suppressions(session)
        assert (only.mailbox, only.reason, only.created_by) == ("praxis@t.example", "asked us to stop", ME)
        assert audited(session) == [(ME, "suppression.add", first.id)]


def test_a_mailbox_can_be_allowed_again(sessions: Sessions) -> None:
    with writing(sessions) as session:
        suppress_mailbox(session, "praxis@t.example", NOW, ME)
        assert unsuppress_mailbox(session, "PRAXIS@t.example", NOW, ME)
        assert not unsuppress_mailbox(session, "PRAXIS@t.example", NOW, ME)
        assert list_suppressions(session) == []


@pytest.mark.parametrize("text", ["", "praxis", "@t.example", "praxis@", "a b@t.example", "x" * 330 + "@t.example"])
def test_what_is_no_address_is_refused_without_repeating_it(sessions: Sessions, text: str) -> None:
    with writing(sessions) as session, pytest.raises(BadInput) as refused:
        suppress_mailbox(session, text, NOW, ME)
    assert not text or text not in str(refused.value).replace("praxis@example.org", "")
