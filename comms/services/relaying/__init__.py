"""From the outbox to the topic: in order per key, by one relay at a time."""

from comms.services.relaying.relay import Relay, Round
from comms.services.relaying.sweep import Swept, sweep

__all__ = ["Relay", "Round", "Swept", "sweep"]
