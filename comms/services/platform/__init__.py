"""What is asked of the platform's services, in which order, and what they are told."""

from comms.services.platform.facts import fetch_facts_of_requests, fetch_missing_facts, refresh_facts
from comms.services.platform.sync import sync_platform
from comms.services.platform.updates import tell_platform

__all__ = ["fetch_facts_of_requests", "fetch_missing_facts", "refresh_facts", "sync_platform", "tell_platform"]
