"""What the platform's events do here: stored once, applied once, in order per subject."""

from comms.services.inbox.dead_letters import DeadLetterView, list_dead_letters, replay_dead_letter
from comms.services.inbox.fresh import fresh_requests
from comms.services.inbox.handling import Handled, handle_events
from comms.services.inbox.receiving import Received, receive

__all__ = [
    "DeadLetterView",
    "Handled",
    "Received",
    "fresh_requests",
    "handle_events",
    "list_dead_letters",
    "receive",
    "replay_dead_letter",
]
