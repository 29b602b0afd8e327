"""JSON of a page: the quick road for rows of simple values writes what the careful one does."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Row, Select, select

from api.rendering import is_flat, render_list
from api.schemas.emails import EmailLine
from api.schemas.fields import View
from api.schemas.therapists import TherapistView
from comms.services.emails import page_of_emails
from comms.store.models import Email
from comms.store.paging import Page
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW, make_sent_email, make_therapist

DATABASES = ("sqlite", "postgresql")


class Secretive(View):
    """A view with something that not every key may see."""

    CONTENT = frozenset({"subject"})

    id: int
    subject: str


def test_a_page_is_byte_for_byte_what_pydantic_writes(sessions: Sessions) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        for number, subject in enumerate(["Anfrage", 'Groß "&" <klein>', "\u2028 😀", "\\"]):
            at = NOW - timedelta(days=8 * number, microseconds=number)
            make_sent_email(session, therapist, at=at, subject=subject)
    with reading(sessions) as session:
        rows = page_of_emails(session, Page(10)).rows
    careful = TypeAdapter(list[EmailLine])
    assert isinstance(rows[0], Row)
    assert render_list(EmailLine, rows, content=True) == careful.dump_json(
        careful.validate_python(rows, from_attributes=True)
    )


def test_what_a_key_may_not_see_is_not_in_it(sessions: Sessions) -> None:
    query: Select[tuple[int, str]] = select(Email.id, Email.subject)
    with writing(sessions) as session:
        make_sent_email(session, make_therapist(session), at=NOW, subject="geheim")
        rows = session.execute(query).all()
    assert json.loads(render_list(Secretive, rows, content=True)) == [{"id": rows[0].id, "subject": "geheim"}]
    assert json.loads(render_list(Secretive, rows, content=False)) == [{"id": rows[0].id}]


@pytest.mark.parametrize(("view", "flat"), [(EmailLine, True), (TherapistView, False)])
def test_only_views_of_simple_values_take_it(view: type[View], flat: bool) -> None:
    """A therapist has hours, which are written in a form of their own."""
    assert is_flat(view) is flat
