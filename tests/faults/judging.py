"""The one checker: what clients were told, the database, the mail server and the topic must tell the same story."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from comms.store.models import Email, OutboxEvent
from comms.store.session import Sessions, reading
from tests.faults.history import Asked, Told
from tests.invariants import broken

MAY_STAND = {Told.OK: {1}, Told.FAILED: {0}, Told.UNKNOWN: {0, 1}}
"""How often an effect may be found, by what its client was told."""

RECEIVED = {"sent": {1}, "in_doubt": {0, 1}, "bounced": {0, 1}, "draft": {0}, "queued": {0}, "sending": {0, 1}}
"""How often the mail server may have an email, by status; what is failed or canceled may have been in doubt once."""


def contradictions(
    sessions: Sessions,
    *,
    asked: Iterable[Asked] = (),
    there: Mapping[str, int] | None = None,
    received: Iterable[str] | None = None,
    on_topic: Iterable[Mapping[str, Any]] | None = None,
) -> list[str]:
    """Everything that does not fit, one line each; empty after any fault.

    `there` counts the effects in the database by the subject of the history, `received` are the Message-IDs of the mail
    server's own record, `on_topic` the events that stand on our topic, in their order.
    """
    lines = [f"{code}: {', '.join(rows)}" for code, rows in broken(sessions, kafka=on_topic is not None).items()]
    lines += against_clients(asked, there or {})
    if received is not None:
        lines += against_mail_server(sessions, received)
    if on_topic is not None:
        lines += against_topic(sessions, on_topic)
    return lines


def against_clients(asked: Iterable[Asked], there: Mapping[str, int]) -> list[str]:
    """Ok is there exactly once, failed is not there, unknown at most once; nothing is there that nobody asked for."""
    by_subject: dict[str, list[Told]] = defaultdict(list)
    for question in asked:
        by_subject[question.subject].append(question.told)
    lines = []
    for subject, answers in by_subject.items():
        told = next(told for told in (Told.OK, Told.UNKNOWN, Told.FAILED) if told in answers)
        if there.get(subject, 0) not in MAY_STAND[told]:
            lines.append(f"{subject}: told {told}, found {there.get(subject, 0)} times")
    return lines + [f"{subject}: nobody asked for it" for subject in there if subject not in by_subject]


def against_mail_server(sessions: Sessions, received: Iterable[str]) -> list[str]:
    """What is sent was received once, what is in doubt at most once, what waits not at all."""
    counted = Counter(received)
    with reading(sessions) as session:
        rows = session.execute(select(Email.message_id, Email.id, Email.status)).all()
    lines = [
        f"email {row.id}: {row.status}, received {counted[row.message_id]} times"
        for row in rows
        if counted[row.message_id] not in RECEIVED.get(row.status, {0, 1})
    ]
    strangers = counted.keys() - {row.message_id for row in rows}
    return lines + [f"{len(strangers)} emails were received that are in no database"] * bool(strangers)


def against_topic(sessions: Sessions, on_topic: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is marked as published stands there, nothing unknown does, each key is in its order; repeats are allowed."""
    places: dict[str, int] = {}
    for place, event in enumerate(on_topic):
        places.setdefault(event["eventId"], place)
    with reading(sessions) as session:
        query = select(OutboxEvent.id, OutboxEvent.event_id, OutboxEvent.key, OutboxEvent.published_at)
        rows = session.execute(query.order_by(OutboxEvent.id)).all()
    lines = [f"event {row.id}: published, but not on the topic" for row in rows
             if row.published_at and row.event_id not in places]  # fmt: skip
    strangers = places.keys() - {row.event_id for row in rows}
    lines += [f"{len(strangers)} events stand on the topic that are in no outbox"] * bool(strangers)
    return lines + _inversions([(row.id, row.key, places[row.event_id]) for row in rows if row.event_id in places])


def _inversions(placed: Iterable[tuple[int, str, int]]) -> list[str]:
    lines, latest = [], defaultdict[str, int](lambda: -1)
    for id_, key, place in placed:
        if place < latest[key]:
            lines.append(f"event {id_}: stands before an older one of {key}")
        latest[key] = max(latest[key], place)
    return lines
