"""What the API is measured beside: a bare FastAPI route, and Flask-RESTful marshalling rows of SQLAlchemy's ORM.

The Flask routes are written as such services usually are, on the same tables, and do less: no keys, no limits,
no repeats, no check of addresses, no audit, no event, no log. One of them promises more: it writes the
audit log and the event with the email. They run under gunicorn, one process, as many threads.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from flask import Flask
from flask_restful import Api, Resource, fields, marshal_with, reqparse
from sqlalchemy import JSON, BigInteger, DateTime, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from comms.store.engines import make_engine

BigId = BigInteger().with_variant(Integer, "sqlite")

bare = FastAPI()


@bare.get("/bare")
def get_bare() -> dict[str, str]:
    return {"status": "ok"}


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), dict[str, Any]: JSON}  # noqa: RUF012 - as SQLAlchemy's own pages have it


class Row(Base):
    """An email as its API shows it, plus what the table insists on."""

    __tablename__ = "emails"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    therapist_id: Mapped[int] = mapped_column(BigId)
    batch_id: Mapped[str | None] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(20), default="draft")
    status_reason: Mapped[str | None] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(300))
    body_html: Mapped[str] = mapped_column(Text)
    body_text: Mapped[str] = mapped_column(Text)
    recipient_email: Mapped[str] = mapped_column(String(320))
    recipient_name: Mapped[str] = mapped_column(String(300))
    sender_email: Mapped[str] = mapped_column(String(320), default="vermittlung@platzsuche.example")
    sender_name: Mapped[str] = mapped_column(String(200), default="Vermittlung")
    response_received: Mapped[bool] = mapped_column(default=False)
    response_date: Mapped[datetime | None]
    response_content: Mapped[str | None] = mapped_column(Text)
    follow_up_required: Mapped[bool] = mapped_column(default=False)
    follow_up_notes: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(String(200))
    retry_count: Mapped[int] = mapped_column(default=0)
    queued_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    dated: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    mailbox: Mapped[str] = mapped_column(String(320))
    message_id: Mapped[str] = mapped_column(String(200), default=lambda: f"<{uuid4().hex}@platzsuche.example>")
    reply_token: Mapped[str] = mapped_column(String(64), default=lambda: uuid4().hex)


class Entry(Base):
    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    actor: Mapped[str] = mapped_column(String(100), default="key:benchmark")
    action: Mapped[str] = mapped_column(String(60), default="email.create")
    subject_type: Mapped[str] = mapped_column(String(30), default="email")
    subject_id: Mapped[int] = mapped_column(BigId)


class Event(Base):
    __tablename__ = "outbox_events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), default=lambda: str(uuid4()))
    event_type: Mapped[str] = mapped_column(String(60), default="communication.email_created")
    key: Mapped[str] = mapped_column(String(60))
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


LINE = {
    "id": fields.Integer,
    "therapist_id": fields.Integer,
    "subject": fields.String,
    "recipient_email": fields.String,
    "recipient_name": fields.String,
    "status": fields.String,
    "status_reason": fields.String,
    "created_at": fields.DateTime(dt_format="iso8601"),
    "sent_at": fields.DateTime(dt_format="iso8601"),
    "response_received": fields.Boolean,
    "response_date": fields.DateTime(dt_format="iso8601"),
    "batch_id": fields.String,
}
WHOLE = LINE | {
    "sender_email": fields.String,
    "sender_name": fields.String,
    "body_html": fields.String,
    "body_text": fields.String,
    "response_content": fields.String,
    "follow_up_required": fields.Boolean,
    "follow_up_notes": fields.String,
    "queued_at": fields.DateTime(dt_format="iso8601"),
    "error_message": fields.String,
    "retry_count": fields.Integer,
    "next_attempt_at": fields.DateTime(dt_format="iso8601"),
}

_page = reqparse.RequestParser()
_page.add_argument("page", type=int, default=1, location="args")
_page.add_argument("limit", type=int, default=20, location="args")

_email = reqparse.RequestParser()
for _name in ("subject", "body_html", "body_text", "recipient_email", "recipient_name"):
    _email.add_argument(_name, type=str, required=True)
_email.add_argument("therapist_id", type=int, required=True)


class Emails(Resource):  # type: ignore[misc]
    @marshal_with(LINE)
    def get(self) -> Any:
        wanted = _page.parse_args()
        with _session() as session:
            emails = session.query(Row)
            page = emails.order_by(Row.id.desc()).limit(wanted["limit"]).offset((wanted["page"] - 1) * wanted["limit"])
            return page.all(), 200, {"X-Total-Count": str(emails.count())}

    @marshal_with(WHOLE)
    def post(self) -> Any:
        given = _email.parse_args()
        with _session() as session:
            email = Row(**given, mailbox=given["recipient_email"].lower())
            session.add(email)
            session.commit()
            session.refresh(email)
            return email, 201


class ToldEmails(Resource):  # type: ignore[misc]
    @marshal_with(WHOLE)
    def post(self) -> Any:
        given = _email.parse_args()
        with _session() as session:
            email = Row(**given, mailbox=given["recipient_email"].lower())
            session.add(email)
            session.flush()
            payload = {"email_id": email.id, "therapist_id": email.therapist_id, "status": email.status}
            session.add_all([Entry(subject_id=email.id), Event(key=f"email:{email.id}", payload=payload)])
            session.commit()
            session.refresh(email)
            return email, 201


def _session() -> Session:
    return flask.config["sessions"]()  # type: ignore[no-any-return]


flask = Flask(__name__)
flask.config["sessions"] = sessionmaker(make_engine(os.environ.get("DATABASE_URL", "sqlite://")))
_api = Api(flask)
_api.add_resource(Emails, "/api/emails")
_api.add_resource(ToldEmails, "/api/told-emails")
