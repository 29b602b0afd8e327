"""What emails and calls go back to, for the events and the log lines about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from comms import tracing
from comms.store.models import Email, EmailBatch, PhoneCall, PhoneCallBatch, PlacementRequest, table_of
from comms.store.outbox import Story


@dataclass
class Mentioned:
    """What is said of an email whenever something about it is told."""

    id: int
    therapist_id: int
    correlation_id: str | None
    request_ids: list[int] = field(default_factory=list)
    """Those in it now, in its order."""
    origins: dict[int, str | None] = field(default_factory=dict)
    """What had brought each request in when it came into the email; also of those that were taken out again."""

    @property
    def key(self) -> str:
        return f"email:{self.id}"

    @property
    def story(self) -> Story:
        return Story(self.correlation_id, self.origins)


_email, _place = table_of(Email).c, table_of(EmailBatch).c
_MENTIONED = (
    select(
        _email.id, _email.therapist_id, _email.correlation_id,
        _place.placement_request_id, _place.included, _place.correlation_id,
    )
    .outerjoin_from(table_of(Email), table_of(EmailBatch), _place.email_id == _email.id)
    .where(_email.id.in_(bindparam("ids", expanding=True)))
    .order_by(_email.id, _place.priority, _place.id)
)  # fmt: skip
"""Built once: every move of an email asks it."""


def mention_emails(session: Session, ids: Collection[int]) -> list[Mentioned]:
    """Read what is to be said of these emails, in the order of their ids."""
    found: dict[int, Mentioned] = {}
    for id_, therapist_id, correlation_id, request_id, included, origin in session.execute(
        _MENTIONED, {"ids": sorted(ids)}
    ):
        email = found.setdefault(id_, Mentioned(id_, therapist_id, correlation_id))
        if request_id is not None:
            email.origins[request_id] = origin
        if included:
            email.request_ids.append(request_id)
    return list(found.values())


def stories_of_emails(session: Session, ids: Collection[int]) -> dict[str, Story]:
    """By key, `email:ID`."""
    return {email.key: email.story for email in mention_emails(session, ids)}


def stories_of_calls(session: Session, ids: Collection[int]) -> dict[str, Story]:
    """By key, `call:ID`."""
    query = (
        select(PhoneCall.id, PhoneCall.correlation_id, PlacementRequest.id, PlacementRequest.correlation_id)
        .outerjoin(PhoneCallBatch, PhoneCallBatch.phone_call_id == PhoneCall.id)
        .outerjoin(PlacementRequest, PlacementRequest.id == PhoneCallBatch.placement_request_id)
        .where(PhoneCall.id.in_(sorted(ids)))
        .order_by(PhoneCallBatch.priority, PhoneCallBatch.id)
    )
    return _by_key(session.execute(query))


def _by_key(rows: Iterable[Any]) -> dict[str, Story]:
    made: dict[str, str | None] = {}
    origins: dict[str, dict[int, str | None]] = defaultdict(dict)
    for id_, correlation_id, request_id, origin in rows:
        made[f"call:{id_}"] = correlation_id
        if request_id is not None:
            origins[f"call:{id_}"][request_id] = origin
    return {key: Story(correlation_id, origins[key]) for key, correlation_id in made.items()}


def mark_email(became: str, id_: int, story: Story, reply: str | None = None) -> None:
    """Tell what became of an email in the traces of all that it goes back to."""
    made_by, origins = story.correlation_id, origin_ids([story])
    traces = [*origins, made_by]
    tracing.mark(f"email {became}", traces, email_id=id_, correlation_id=made_by, origin_ids=origins, reply=reply)


def origin_ids(stories: Iterable[Story]) -> list[str]:
    """All of them, each once."""
    return list(dict.fromkeys(origin for story in stories for origin in story.origins.values() if origin))
