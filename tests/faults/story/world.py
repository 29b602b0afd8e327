"""The service as the story drives it: the services themselves, one database, and a clock that only moves when told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from sqlalchemy import select

from comms.rules.policy import BERLIN, CallPolicy, ContactPolicy, SendingPolicy
from comms.services.batching import process_pending_requests
from comms.services.calls.missing import close_unrecorded_calls
from comms.services.calls.scheduling import FollowUpReport, schedule_follow_up_calls
from comms.services.correspondence import Correspondence
from comms.services.inbox import handle_events, receive
from comms.services.intake import Kind, Record, import_records
from comms.services.refreshing import refresh_stale_emails
from comms.services.sending import SendingReport, send_queued_emails
from comms.services.sending.claim import claim_due_emails
from comms.services.sending.marks import grant_marks, note_answers
from comms.services.sending.values import Claimed, Result
from comms.store.models import Email, EmailBatch, PhoneCall, PhoneCallBatch, PhoneCallEmail, PlacementRequest
from comms.store.session import Sessions, reading, writing
from tests.faults.story.clock import tell
from tests.faults.story.relay import AFTER_MARK, Answer, Relay
from tests.services.calls import EVERY_WEEKDAY
from tests.services.letters import IDENTITY, LETTERS
from tests.services.messages import event_bytes, message

CONTACTS, CALLS = ContactPolicy(), CallPolicy()
SENDING = SendingPolicy(connections=1)
CORRESPONDENCE = Correspondence(LETTERS, IDENTITY, BERLIN)


QUERIES = {
    "requests": select(PlacementRequest.id, PlacementRequest.status),
    "emails": select(
        Email.id, Email.status, Email.response_received, Email.closed_at, Email.rejected_on, Email.followed_up_at
    ),
    "holds": select(EmailBatch.email_id, EmailBatch.placement_request_id).where(EmailBatch.live),
    "calls": select(PhoneCall.id, PhoneCall.therapist_id, PhoneCall.status, PhoneCall.starts_at, PhoneCall.retry_of_id),
    "speaks_of": select(
        PhoneCallBatch.phone_call_id, PhoneCallBatch.placement_request_id, PhoneCallBatch.email_id
    ).where(PhoneCallBatch.included),
    "call_emails": select(PhoneCallEmail.phone_call_id, PhoneCallEmail.email_id),
}  # built once: they run after every step


@dataclass(frozen=True)
class Seen:
    """The database as it stands, in the words of the notebook."""

    requests: dict[int, str]
    emails: dict[int, Any]
    holds: dict[int, set[int]]
    calls: dict[int, Any]
    speaks_of: dict[int, dict[int, int | None]]
    call_emails: dict[int, set[int]]

    @property
    def open(self) -> list[int]:
        return [id_ for id_, status in self.requests.items() if status == "open"]


@dataclass
class World:
    sessions: Sessions
    now: datetime
    relay: Relay = field(default_factory=Relay)
    runs: int = 0

    def __post_init__(self) -> None:
        self._traveller = time_machine.travel(self.now, tick=False)
        self._clock = self._traveller.start()
        tell(self.sessions, self.now)

    def pass_time(self, how_long: timedelta) -> None:
        self.now += how_long
        self._clock.move_to(self.now)
        tell(self.sessions, self.now)

    def end(self) -> None:
        self._traveller.stop()

    def bring(self, kind: Kind, *rows: Mapping[str, Any]) -> None:
        """Import rows; every one of them must go in."""
        records = [Record(kind, f"row {place}", dict(row)) for place, row in enumerate(rows)]
        report = import_records(self.sessions, records, self.now)
        assert report.refusals == [], report.refusals

    def tell(self, event_type: str, **payload: Any) -> None:
        """The platform says something, and it is handled."""
        with writing(self.sessions) as session:
            receive(session, [message(event_bytes(event_type, at=self.now, **payload))], self.now)
        handled = handle_events(self.sessions)
        assert (handled.failed, handled.dead, handled.waiting) == (0, 0, 0), handled

    def write_letters(self) -> dict[int, int]:
        """Run the daily batch; return {therapist: email}."""
        self.runs += 1
        report = process_pending_requests(self.sessions, self.now, CONTACTS, CORRESPONDENCE, f"run-{self.runs}")
        return report.emails

    def send(self, script: Sequence[Answer] = (), *, away: bool = False) -> SendingReport:
        """Send what is due, over one connection; raises Killed where the script says so."""
        self.relay.begin(script, away=away)
        refresh = lambda: refresh_stale_emails(self.sessions, CORRESPONDENCE, self.now)  # noqa: E731
        return send_queued_emails(self.sessions, self.relay, SENDING, self.now, limit=1000, refresh=refresh)

    def abandon(self, stage: str) -> list[Claimed]:
        """A sender takes letters and is gone: claimed, marked, taken by the relay, or even told so in the database."""
        with writing(self.sessions) as session:
            claims = claim_due_emails(session, f"gone-{self.now}", self.now, self.now, SENDING.lease, 2)
        letters = claims.letters
        if stage != "claimed" and letters:
            with writing(self.sessions) as session:
                assert grant_marks(session, f"gone-{self.now}", letters, self.now) == {c.email_id for c in letters}
        if stage in ("taken", "noted"):
            for claimed in letters:
                self.relay.take(claimed.letter)
        if stage == "noted":
            with writing(self.sessions) as session:
                note_answers(session, [Result(claimed, AFTER_MARK[Answer.TAKE]) for claimed in letters], self.now)
        return letters

    def follow_up(self) -> FollowUpReport:
        close_unrecorded_calls(self.sessions, self.now, CALLS)
        return schedule_follow_up_calls(self.sessions, self.now, CALLS)

    def look(self) -> Seen:
        with reading(self.sessions) as session:
            found = {name: session.execute(query).all() for name, query in QUERIES.items()}
        return Seen(
            requests={row.id: row.status for row in found["requests"]},
            emails={row.id: row for row in found["emails"]},
            holds=_gather(found["holds"]),
            calls={row.id: row for row in found["calls"]},
            speaks_of=_gather_pairs(found["speaks_of"]),
            call_emails=_gather(found["call_emails"]),
        )


def _gather(pairs: Any) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return found


def _gather_pairs(rows: Any) -> dict[int, dict[int, int | None]]:
    found: dict[int, dict[int, int | None]] = {}
    for key, name, value in rows:
        found.setdefault(key, {})[name] = value
    return found


START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
HOURS = EVERY_WEEKDAY
