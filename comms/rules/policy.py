"""The numbers behind the rules, as values: made from settings at the edge, handed to services and rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class ContactPolicy:
    """How often, how many. Source: `domain.md`, "Rules and their defaults"."""

    window: timedelta = timedelta(hours=168)
    cooling: timedelta = timedelta(weeks=4)
    patients_per_email: int = 5
    zone: ZoneInfo = BERLIN


@dataclass(frozen=True)
class CallPolicy:
    """When calls may stand, and how often they are tried; hours as canonical windows (`rules.availability`)."""

    follow_up_after: timedelta = timedelta(hours=168)
    minutes: int = 5
    lead: timedelta = timedelta(minutes=30)
    look_ahead: timedelta = timedelta(days=14)
    retry_after: timedelta = timedelta(days=1)
    tries: int = 3
    no_slot_patience: timedelta = timedelta(days=3)
    callers: int = 1
    caller_hours: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: {
            day: [("08:00", "18:00")] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
        }
    )
    default_land: str | None = None
    zone: ZoneInfo = BERLIN
    window: timedelta = timedelta(hours=168)
    cooling: timedelta = timedelta(weeks=4)


@dataclass(frozen=True)
class SendingPolicy:
    """Leases, attempts and width of the sender."""

    lease: timedelta = timedelta(seconds=120)
    rescue_every: timedelta = timedelta(seconds=30)
    connections: int = 2
    chunk: int = 50
    give_up_after: timedelta = timedelta(hours=72)
    messages_per_connection: int = 100
    breaker_pause: timedelta = timedelta(minutes=5)
    window: timedelta = timedelta(hours=168)


@dataclass(frozen=True)
class Identity:
    """Who writes: what every letter needs besides its facts."""

    sender: str
    sender_name: str
    reply_to: str
    unsubscribe: str
    legal_footer: str
    organisation: str
