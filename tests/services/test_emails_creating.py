"""Emails that persons write: what may be in them, and what happens beside them at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from comms.errors import BadInput, Conflict, LetterNotRendered
from comms.rules.policy import BERLIN, ContactPolicy
from comms.services.correspondence import Correspondence
from comms.services.emails import Written, bytes_from, complete, create_draft, create_queued, queue_email, show_email
from comms.services.letters.render import Letters
from comms.services.withdrawals import withdraw_requests
from comms.store.models import Email, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_request, make_therapist
from tests.invariants import broken
from tests.services.email_rows import fresh
from tests.services.letters import IDENTITY

ME = "key:test"
POLICY = ContactPolicy()
LETTERS = Correspondence(Letters(), IDENTITY, BERLIN)


def email_to(therapist_id: int, *request_ids: int, address: str = "praxis@therapie.example", **more: str) -> Written:
    said = Written(therapist_id, "Anfrage", "<p>Guten Tag</p>", address, "Müller", placement_request_ids=request_ids)
    return complete(Written(**{**vars(said), **more}), IDENTITY)


def test_what_is_left_out_is_filled_in() -> None:
    written = email_to(1)
    assert (written.body_text, written.sender_email) == ("Guten Tag\n", IDENTITY.sender)
    assert email_to(1, body_text="Moin").body_text == "Moin"


def test_html_is_read_with_bounds_even_where_its_text_is_given() -> None:
    with pytest.raises(BadInput, match="body_html"):
        email_to(1, body_html="<b>" * 5_000, body_text="Moin")


def test_an_address_whose_key_would_not_fit_is_refused() -> None:
    with pytest.raises(BadInput, match="recipient_email"):
        email_to(1, address="a@" + "ß" * 200 + ".example")


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_new_draft_is_told_as_it_is_read_again(sessions: Sessions, language: str) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session, language=language)
        told = [
            create_draft(session, email_to(therapist.id), NOW, ME),
            create_draft(session, email_to(90_001, batch_id="b-1", body_text="Moin"), NOW, ME),
            create_draft(session, email_to(therapist.id, make_request(session, therapist).id), NOW, ME),
        ]
    with reading(sessions) as session:
        assert [show_email(session, email.id) for email in told] == told


def test_a_letter_is_dated_when_it_is_done_and_keeps_its_name(sessions: Sessions) -> None:
    later = NOW.replace(day=27)
    with writing(sessions) as session:
        id_ = create_draft(session, email_to(make_therapist(session).id), NOW, ME).id
        before = session.get_one(Email, id_).message_id
        queue_email(session, id_, later, ME, POLICY, ensure_bytes=bytes_from(LETTERS, later))
        email = fresh(session, session.get_one(Email, id_))
        assert (email.dated, email.message_id) == (later, before)
        assert b"Date: Fri, 27 Nov 2026" in email.raw
        assert before.encode() in email.raw


def test_an_end_that_cannot_be_rendered_keeps_the_draft_and_says_where(sessions: Sessions, tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "letter.html").write_text("{% block optout %}{{ nobody }}{% endblock %}")
    broken_end = Correspondence(Letters(tmp_path), IDENTITY, BERLIN)
    with writing(sessions) as session:
        id_ = create_draft(session, email_to(make_therapist(session).id), NOW, ME).id
        with pytest.raises(LetterNotRendered, match="de/letter"):
            queue_email(session, id_, NOW, ME, POLICY, ensure_bytes=bytes_from(broken_end, NOW))
        assert fresh(session, session.get_one(Email, id_)).status == "draft"


def test_a_request_that_is_withdrawn_at_the_same_moment_is_in_no_live_email(sessions: Sessions) -> None:
    for _ in range(5):
        with writing(sessions) as session:
            therapist = make_therapist(session)
            request = make_request(session, therapist).id
        together = Barrier(2)

        def write(therapist_id: int = therapist.id, request_id: int = request, start: Barrier = together) -> None:
            said = email_to(therapist_id, request_id, address=f"praxis{therapist_id}@therapie.example")
            start.wait()
            with writing(sessions) as session:
                create_queued(session, said, NOW, ME, POLICY, LETTERS)

        def withdraw(request_id: int = request, start: Barrier = together) -> None:
            start.wait()
            with writing(sessions) as session:
                withdraw_requests(session, [request_id], NOW, "withdrawn_by_platform")

        with ThreadPoolExecutor(2) as pool:
            writing_it, withdrawing = pool.submit(write), pool.submit(withdraw)
        assert withdrawing.exception() is None
        assert isinstance(writing_it.exception(), Conflict | None)
        with reading(sessions) as session:
            assert session.get_one(PlacementRequest, request).status == "withdrawn"
    with reading(sessions) as session:
        assert {email.status for email in session.query(Email)} <= {"canceled"}
    assert broken(sessions) == {}
