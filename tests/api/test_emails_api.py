"""Emails over HTTP: written, queued, moved; what is refused, and what a key without the right gets."""

from __future__ import annotations

import email
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import ColumnElement, func, select

from comms.config import Settings
from comms.rules.policy import BERLIN
from comms.services.suppressions import suppress_mailbox
from comms.services.withdrawals import withdraw_requests
from comms.store.contacts import happened
from comms.store.engines import clock
from comms.store.models import (
    AuditEntry,
    ContactEntry,
    Email,
    EmailBatch,
    OutboxEvent,
    PlacementRequest,
    Therapist,
)
from comms.store.session import Sessions, reading, writing
from tests.api.conftest import Client
from tests.factories import NOW, make_request, make_therapist
from tests.invariants import broken
from tests.services.email_rows import email_about, email_in, request_ids

OVERRIDE = {"override": {"reason": "asked for it by phone"}}


def words(therapist_id: int, **more: Any) -> dict[str, Any]:
    said = {
        "therapist_id": therapist_id,
        "subject": "Zwei Anfragen",
        "body_html": "<p>Guten Tag,</p><p>dürfen wir fragen?</p>",
        "recipient_email": "praxis@therapie.example",
        "recipient_name": "Dr. Andrea Müller",
    }
    return said | more


@pytest.fixture
def therapist(sessions: Sessions) -> Therapist:
    with writing(sessions) as session:
        return make_therapist(session, email="praxis@therapie.example")


@pytest.fixture
def requests(sessions: Sessions, therapist: Therapist) -> list[int]:
    with writing(sessions) as session:
        return [make_request(session, therapist).id for _ in range(2)]


def written(client: TestClient, therapist_id: int, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/emails", json=words(therapist_id, **more))
    assert answer.status_code == 201, answer.text
    return cast(dict[str, Any], answer.json())


def count(sessions: Sessions, table: Any) -> int:
    with reading(sessions) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def about(email_id: int) -> tuple[ColumnElement[bool], ...]:
    """What was done to an email."""
    return AuditEntry.subject_type == "email", AuditEntry.subject_id == email_id


def message(sessions: Sessions, email_id: int) -> EmailMessage:
    """The bytes as a mail reader sees them."""
    with reading(sessions) as session:
        raw = session.execute(select(Email.raw).where(Email.id == email_id)).scalar_one()
    assert raw is not None
    return cast(EmailMessage, email.message_from_bytes(raw, policy=default))


# writing


def test_an_email_is_a_draft_unless_said_otherwise_and_shows_what_was_written(
    client: TestClient, therapist: Therapist, requests: list[int]
) -> None:
    answer = client.post("/api/emails", json=words(therapist.id, placement_request_ids=requests[::-1], batch_id="run"))
    shown = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/emails/{shown['id']}")
    assert (shown["status"], shown["batch_id"], shown["template"]) == ("draft", "run", None)
    assert shown["placement_request_ids"] == requests[::-1]
    assert shown["body_text"] == "Guten Tag,\n\ndürfen wir fragen?\n"
    assert shown["body_html"] == words(1)["body_html"]
    assert client.get(answer.headers["location"]).json() == shown


def test_a_draft_claims_nothing_and_leaves_its_requests_open(
    client: TestClient, sessions: Sessions, therapist: Therapist, requests: list[int]
) -> None:
    written(client, therapist.id, placement_request_ids=requests)
    with reading(sessions) as session:
        assert set(session.scalars(select(PlacementRequest.status))) == {"open"}
        assert session.scalars(select(ContactEntry)).all() == []
        assert set(session.scalars(select(EmailBatch.live))) == {False}


@pytest.mark.parametrize("status", ["draft", "queued"])
def test_a_new_email_is_announced_once_and_stands_in_the_audit_log(
    client: TestClient, sessions: Sessions, therapist: Therapist, requests: list[int], status: str
) -> None:
    id_ = written(client, therapist.id, placement_request_ids=requests, status=status)["id"]
    with reading(sessions) as session:
        kind, payload = session.execute(select(OutboxEvent.event_type, OutboxEvent.payload)).one()
        actions = session.scalars(select(AuditEntry.action).where(*about(id_)).order_by(AuditEntry.id)).all()
    assert kind == "communication.email_created"
    assert payload == {
        "email_id": id_,
        "therapist_id": therapist.id,
        "placement_request_ids": requests,
        "template": None,
        "status": status,
    }
    assert list(actions) == ["email.create", "email.queue"][: 1 + (status == "queued")]


def test_a_queued_email_holds_its_requests_and_its_contact(
    client: TestClient, sessions: Sessions, therapist: Therapist, requests: list[int]
) -> None:
    shown = written(client, therapist.id, placement_request_ids=requests, status="queued")
    with reading(sessions) as session:
        assert set(session.scalars(select(PlacementRequest.status))) == {"in_progress"}
        assert set(session.scalars(select(ContactEntry.key))) == {
            f"therapist:{therapist.id}",
            "mailbox:praxis@therapie.example",
        }
    assert (shown["status"], shown["queued_at"]) == ("queued", shown["next_attempt_at"])
    assert broken(sessions) == {}


def test_whom_nobody_knows_is_kept_as_a_stub(client: TestClient, sessions: Sessions) -> None:
    shown = written(client, 4711, placement_request_ids=[815])
    with reading(sessions) as session:
        assert session.get_one(Therapist, 4711).facts_missing
        stub = session.get_one(PlacementRequest, 815)
    assert (stub.therapist_id, stub.patient_id, stub.status) == (4711, None, "open")
    assert shown["placement_request_ids"] == [815]


def test_who_writes_to_a_stub_gives_the_address_and_may_queue(client: TestClient, sessions: Sessions) -> None:
    assert written(client, 4711, placement_request_ids=[815], status="queued")["status"] == "queued"
    assert broken(sessions) == {}


def test_what_is_refused_leaves_no_stub_behind(client: TestClient, sessions: Sessions, therapist: Therapist) -> None:
    client.post("/api/emails", json=words(therapist.id, status="queued"))
    assert client.post("/api/emails", json=words(4711, status="queued")).status_code == 409
    assert count(sessions, Therapist) == 1


@pytest.mark.parametrize("status", ["draft", "queued"])
def test_a_request_of_another_therapist_is_refused(
    client: TestClient, sessions: Sessions, therapist: Therapist, status: str
) -> None:
    with writing(sessions) as session:
        other = make_request(session, make_therapist(session)).id
    answer = client.post("/api/emails", json=words(therapist.id, placement_request_ids=[other], status=status))
    assert (answer.status_code, answer.json()["detail"]) == (409, f"placement request {other} is another therapist's")


@pytest.mark.parametrize("status", ["draft", "queued"])
def test_a_closed_request_is_refused(
    client: TestClient, sessions: Sessions, therapist: Therapist, requests: list[int], status: str
) -> None:
    with writing(sessions) as session:
        withdraw_requests(session, requests[:1], NOW, "withdrawn_by_platform")
    answer = client.post("/api/emails", json=words(therapist.id, placement_request_ids=requests, status=status))
    assert (answer.status_code, answer.json()["detail"]) == (409, f"placement request {requests[0]} is closed")
    assert count(sessions, Email) == 0


def test_a_draft_may_name_a_request_that_waits_elsewhere_but_is_not_queued(
    client: TestClient, sessions: Sessions, therapist: Therapist
) -> None:
    with writing(sessions) as session:
        (request,) = request_ids(session, email_in(session, "queued", therapist=therapist))
    later = {"placement_request_ids": [request], "recipient_email": "other@therapie.example"}
    draft = written(client, therapist.id, **later)
    for answer in (
        client.post(f"/api/emails/{draft['id']}/queue", json=OVERRIDE),
        client.post("/api/emails", json=words(therapist.id, status="queued", **later, **OVERRIDE)),
    ):
        assert answer.status_code == 409
        assert "already waits in another live email" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "a" * 301),
        ("subject", ""),
        ("subject", "  "),
        ("subject", "Anfrage\r\nBcc: a@b.example"),
        ("subject", "Anfrage\u2028x"),
        ("subject", "Anfrage\x85x"),
        ("subject", "Anfrage\x80x"),
        ("subject", "Anfrage\x00"),
        ("subject", None),
        ("subject", 7),
        ("recipient_name", "Müller\nBcc: x@y.example"),
        ("recipient_name", "a" * 301),
        ("recipient_email", "a@x.example, b@y.example"),
        ("recipient_email", "a@x.example;b@y.example"),
        ("recipient_email", "Andrea <a@x.example>"),
        ("recipient_email", "a@x.example\n"),
        ("recipient_email", "a@@x.example"),
        ("recipient_email", ""),
        ("recipient_email", "a" * 65 + "@x.example"),
        ("recipient_email", "a@" + "x." * 200 + "example"),
        ("body_html", ""),
        ("body_html", "<p>a\x00b</p>"),
        ("body_html", "x" * 100_001),
        ("body_text", " "),
        ("batch_id", "x" * 51),
        ("batch_id", ""),
        ("status", "sent"),
        ("status", "canceled"),
        ("therapist_id", "7"),
        ("therapist_id", 0),
        ("therapist_id", 10**30),
        ("therapist_id", True),
        ("placement_request_ids", [1, 1]),
        ("placement_request_ids", ["1"]),
        ("placement_request_ids", "1,2"),
        ("placement_request_ids", None),
        ("placement_request_ids", list(range(1, 102))),
        ("override", {"reason": " "}),
        ("override", "because"),
        ("template", "initial_contact"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(client: TestClient, sessions: Sessions, field: str, value: Any) -> None:
    answer = client.post("/api/emails", json=words(7, status="queued") | {field: value})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(f"body.{field}")
    assert count(sessions, Therapist) == 0


def test_html_without_a_word_needs_its_text_too(client: TestClient, therapist: Therapist) -> None:
    answer = client.post("/api/emails", json=words(therapist.id, body_html="<img src=x>"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body_html")
    assert written(client, therapist.id, body_html="<img src=x>", body_text="Hallo")["body_text"] == "Hallo"


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("praxis@müller.example", "praxis@xn--mller-kva.example"),
        ("müller@praxis.example", "müller@praxis.example"),
        ("Praxis+Anfragen@Therapie.Example", "Praxis+Anfragen@Therapie.Example"),
    ],
)
def test_addresses_of_every_script_are_written_to(
    client: TestClient, sessions: Sessions, therapist: Therapist, address: str, wire: str
) -> None:
    shown = written(client, therapist.id, recipient_email=address, status="queued")
    assert shown["recipient_email"] == address
    with reading(sessions) as session:
        raw = session.execute(select(Email.raw)).scalar_one() or b""
    assert f"<{wire}>" in raw.decode()


def test_only_a_configured_identity_may_send(client: TestClient, settings: Settings, therapist: Therapist) -> None:
    ours = settings.identity()
    answer = client.post("/api/emails", json=words(therapist.id, sender_email="ceo@elsewhere.example"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "sender_email")
    assert ours.sender in answer.json()["errors"][0]["message"]
    assert "ceo@elsewhere" not in answer.text
    assert client.post("/api/emails", json=words(therapist.id, sender_name="Somebody")).status_code == 422
    shown = written(client, therapist.id, sender_email=ours.sender, sender_name=ours.sender_name)
    assert (shown["sender_email"], shown["sender_name"]) == (ours.sender, ours.sender_name)


def test_the_same_post_sent_at_once_with_one_key_makes_one_email(
    client: TestClient, sessions: Sessions, therapist: Therapist
) -> None:
    def post(_: int) -> Response:
        said = words(therapist.id, status="queued")
        return cast(Response, client.post("/api/emails", json=said, headers={"Idempotency-Key": "once"}))

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(post, range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert count(sessions, Email) == 1


# the contact rule


def test_a_second_email_within_a_week_is_refused_with_reason_and_date(
    client: TestClient, sessions: Sessions, therapist: Therapist
) -> None:
    with writing(sessions) as session:
        sent = email_about(session, "sent", therapist, [])
        happened(session, {f"email:{sent.id}": clock(session)})
    answer = client.post("/api/emails", json=words(therapist.id, status="queued"))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:comms:contact_refused")
    assert answer.json()["reason"] == "contacted_recently"
    assert date.fromisoformat(answer.json()["next_date"])
    assert count(sessions, Email) == 1


def test_a_therapist_who_said_no_rests_until_the_date_that_is_named(
    client: TestClient, sessions: Sessions, therapist: Therapist
) -> None:
    today = datetime.now(BERLIN).date()
    with writing(sessions) as session:
        email_about(session, "canceled", therapist, []).rejected_on = today
    answer = client.post("/api/emails", json=words(therapist.id, status="queued"))
    assert (answer.status_code, answer.json()["reason"]) == (409, "cooling_period")
    assert answer.json()["next_date"] == (today + timedelta(weeks=4)).isoformat()
    assert written(client, therapist.id, status="queued", **OVERRIDE)["status"] == "queued"


def test_the_platforms_next_possible_contact_holds_for_persons_too(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        resting = make_therapist(session, next_contact_possible=date(2999, 1, 1)).id
    answer = client.post("/api/emails", json=words(resting, status="queued"))
    assert (answer.json()["reason"], answer.json()["next_date"]) == ("cooling_period", "2999-01-01")


def test_an_override_needs_its_scope_and_is_recorded(
    client_with: Client, sessions: Sessions, therapist: Therapist
) -> None:
    client = client_with("read", "write")
    written(client, therapist.id, status="queued")
    again = words(therapist.id, status="queued", **OVERRIDE)
    assert client.post("/api/emails", json=again).status_code == 403
    mighty = client_with("read", "write", "override", "content")
    shown = mighty.post("/api/emails", json=again).json()
    assert (shown["status"], shown["override_reason"]) == ("queued", "asked for it by phone")
    with reading(sessions) as session:
        entry = select(ContactEntry.kind).where(ContactEntry.holder == f"email:{shown['id']}")
        assert set(session.scalars(entry)) == {"override"}
        queued = AuditEntry.action == "email.queue"
        details = session.scalar(select(AuditEntry.details).where(*about(shown["id"]), queued))
    assert details == {"override": "asked for it by phone"}


def test_a_draft_needs_no_override_and_gets_none(client: TestClient, therapist: Therapist) -> None:
    assert client.post("/api/emails", json=words(therapist.id, **OVERRIDE)).status_code == 422


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "blocked"}, "blocked"),
        ({"status": "inactive"}, "inactive"),
        ({"do_not_contact": "x"}, "do_not_contact"),
    ],
)
def test_who_must_not_be_contacted_may_have_a_draft_but_no_email(
    client: TestClient, sessions: Sessions, facts: dict[str, str], reason: str
) -> None:
    with writing(sessions) as session:
        barred = make_therapist(session, **facts).id
    assert written(client, barred)["status"] == "draft"
    answer = client.post("/api/emails", json=words(barred, status="queued", **OVERRIDE))
    assert (answer.status_code, answer.json()["reason"]) == (409, reason)


def test_a_suppressed_mailbox_may_have_a_draft_but_no_email(
    client: TestClient, sessions: Sessions, therapist: Therapist
) -> None:
    with writing(sessions) as session:
        suppress_mailbox(session, "praxis@therapie.example", NOW, "test")
    draft = written(client, therapist.id, recipient_email="PRAXIS+x@therapie.example")
    answer = client.post(f"/api/emails/{draft['id']}/queue")
    assert (answer.status_code, answer.json()["reason"]) == (409, "suppressed_mailbox")


def test_two_clients_queue_two_drafts_to_one_therapist_and_one_wins(
    client: TestClient, sessions: Sessions, therapist: Therapist
) -> None:
    drafts = [written(client, therapist.id, recipient_email=f"p{n}@therapie.example")["id"] for n in range(2)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda id_: client.post(f"/api/emails/{id_}/queue"), drafts))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert loser.json()["reason"] == "contacted_recently"
    assert broken(sessions) == {}


def test_two_clients_queue_two_emails_about_one_request_and_one_wins(
    client: TestClient, sessions: Sessions, therapist: Therapist, requests: list[int]
) -> None:
    said = {"placement_request_ids": requests, "status": "queued", **OVERRIDE}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: client.post("/api/emails", json=words(therapist.id, **said)), range(2)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert count(sessions, Email) == 1
    assert broken(sessions) == {}


# the bytes


def test_what_a_person_wrote_goes_out_like_every_email_of_ours(
    client: TestClient, sessions: Sessions, settings: Settings, therapist: Therapist
) -> None:
    shown = written(client, therapist.id)
    queued = client.post(f"/api/emails/{shown['id']}/queue").json()
    sent, ours = message(sessions, shown["id"]), settings.identity()
    assert sent["Message-ID"] == shown["message_id"]
    assert sent["To"].addresses[0].addr_spec == "praxis@therapie.example"
    assert sent["From"].addresses[0].addr_spec == ours.sender
    assert sent["Reply-To"].addresses[0].username.startswith(ours.reply_to.partition("@")[0] + "+")
    assert (sent["Auto-Submitted"], sent["Content-Language"]) == ("auto-generated", "de")
    assert sent["List-Unsubscribe"].startswith("<mailto:")
    assert sent["Subject"] == "Zwei Anfragen"
    assert sent["Date"].datetime.isoformat()[:16] == queued["queued_at"][:16]
    for kind in ("plain", "html"):
        part = sent.get_body((kind,))
        assert part is not None
        content = part.get_content()
        assert content.index("dürfen wir fragen?") < content.index(ours.unsubscribe)
        for line in ours.legal_footer.splitlines():
            assert line in content


def test_the_footer_follows_in_the_therapists_language(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        english = make_therapist(session, language="en").id
    shown = written(client, english, status="queued")
    sent = message(sessions, shown["id"])
    part = sent.get_body(("plain",))
    assert (sent["Content-Language"], shown["language"]) == ("en", "en")
    assert part is not None
    assert "Would you rather not hear from us again?" in part.get_content()


def test_what_is_stored_stays_as_the_person_wrote_it(client: TestClient, therapist: Therapist) -> None:
    page = "<html><head><title>x</title></head><body><p>Hallo</p></body></html>"
    shown = written(client, therapist.id, body_html=page, body_text="Hallo", status="queued")
    assert (shown["body_html"], shown["body_text"]) == (page, "Hallo")


# verbs


Move = Callable[[TestClient, int], Response]


def verb(name: str, **body: Any) -> Move:
    return lambda client, id_: cast(Response, client.post(f"/api/emails/{id_}/{name}", json=body or None))


@pytest.mark.parametrize(
    ("move", "status", "becomes"),
    [
        (verb("queue"), "draft", "queued"),
        (verb("cancel"), "queued", "canceled"),
        (verb("requeue"), "failed", "queued"),
        (verb("resolve", status="sent"), "in_doubt", "sent"),
        (verb("resolve", status="bounced"), "in_doubt", "bounced"),
        (verb("resolve", status="queued", **OVERRIDE), "in_doubt", "queued"),
        (verb("resolve", status="canceled", requests="withdraw"), "in_doubt", "canceled"),
        (verb("bounce"), "sent", "bounced"),
    ],
)
def test_every_verb_moves_and_says_what_is_allowed_instead(
    client: TestClient, sessions: Sessions, move: Move, status: str, becomes: str
) -> None:
    with writing(sessions) as session:
        id_, canceled = email_in(session, status).id, email_in(session, "canceled").id
    answer = move(client, id_)
    assert (answer.status_code, answer.json()["status"]) == (200, becomes)
    refused = move(client, canceled)
    assert (refused.status_code, refused.json()["allowed"]) == (409, [])
    assert move(client, 10**12).status_code == 404


def test_resolving_says_which_requests_are_closed_for_good(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        doubtful = email_in(session, "in_doubt")
        (request,) = request_ids(session, doubtful)
    client.post(f"/api/emails/{doubtful.id}/resolve", json={"status": "canceled", "requests": "withdraw"})
    with reading(sessions) as session:
        assert session.get_one(PlacementRequest, request).status == "withdrawn"


@pytest.mark.parametrize("body", [{}, {"status": "draft"}, {"status": None}, {"status": "sent", "more": 1}])
def test_an_email_is_resolved_to_what_can_have_become_of_it(client: TestClient, sessions: Sessions, body: Any) -> None:
    with writing(sessions) as session:
        id_ = email_in(session, "in_doubt").id
    assert client.post(f"/api/emails/{id_}/resolve", json=body).status_code == 422


def test_resolving_is_for_operations(client_with: Client, sessions: Sessions) -> None:
    with writing(sessions) as session:
        id_ = email_in(session, "in_doubt").id
    body = {"status": "sent"}
    assert client_with("read", "write", "override").post(f"/api/emails/{id_}/resolve", json=body).status_code == 403
    assert client_with("ops").post(f"/api/emails/{id_}/resolve", json=body).status_code == 200
    again = {"status": "queued", **OVERRIDE}
    assert client_with("ops").post(f"/api/emails/{id_}/resolve", json=again).status_code == 403


@pytest.mark.parametrize("name", ["queue", "requeue"])
def test_an_override_of_a_verb_needs_its_scope(client_with: Client, sessions: Sessions, name: str) -> None:
    with writing(sessions) as session:
        therapist = make_therapist(session)
        email_about(session, "queued", therapist, [])
        id_ = email_about(session, {"queue": "draft", "requeue": "failed"}[name], therapist, []).id
    assert client_with("write").post(f"/api/emails/{id_}/{name}").json()["reason"] == "contacted_recently"
    assert client_with("write").post(f"/api/emails/{id_}/{name}", json=OVERRIDE).status_code == 403
    answer = client_with("write", "override").post(f"/api/emails/{id_}/{name}", json=OVERRIDE)
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert "override_reason" not in answer.json()


def test_every_verb_honours_if_match(client: TestClient, sessions: Sessions) -> None:
    with writing(sessions) as session:
        id_ = email_in(session, "failed").id
    for name, body in (("queue", {}), ("requeue", {}), ("resolve", {"status": "sent"}), ("bounce", None)):
        answer = client.post(f"/api/emails/{id_}/{name}", json=body, headers={"If-Match": '"another"'})
        assert answer.status_code == 412


# lists


def test_a_list_is_two_queries_and_names_no_body(client: TestClient, sessions: Sessions, therapist: Therapist) -> None:
    written(client, therapist.id)
    (line,) = client.get("/api/emails?limit=50").json()
    assert "body_html" not in line
    assert line["recipient_name"] == "Dr. Andrea Müller"


def test_a_list_is_filtered_by_its_run(client: TestClient, therapist: Therapist) -> None:
    first = written(client, therapist.id, batch_id="2026-11-23")["id"]
    written(client, therapist.id)
    assert [e["id"] for e in client.get("/api/emails?batch_id=2026-11-23&status=draft").json()] == [first]
