"""Leases, attempts and width of the sender."""

from __future__ import annotations

from datetime import timedelta

from comms.config.contacts import Contacts
from comms.config.fields import setting
from comms.rules.policy import SendingPolicy


class Sending(Contacts):
    """Sending"""

    smtp_connections: int = setting(
        2,
        "COMMS_SMTP_CONNECTIONS",
        "Connections at once; a crash leaves at most one email in doubt on each.",
        ge=1,
        le=64,
    )
    send_chunk: int = setting(50, "COMMS_SEND_CHUNK", "Emails claimed at a time.", ge=1, le=1000)
    lease_seconds: int = setting(
        300,
        "COMMS_LEASE_SECONDS",
        "A sender that is silent for this long has lost its emails; longer than one letter may take.",
        ge=1,
        le=86400,
    )
    rescue_seconds: int = setting(
        30, "COMMS_RESCUE_SECONDS", "How often a sender looks for lost emails.", ge=1, le=86400
    )
    give_up_hours: int = setting(72, "COMMS_GIVE_UP_HOURS", "An email is tried again for this long.", ge=1, le=8760)
    messages_per_connection: int = setting(
        100, "COMMS_MESSAGES_PER_CONNECTION", "After them the connection is opened anew.", ge=1, le=100000
    )
    breaker_seconds: int = setting(
        300, "COMMS_BREAKER_SECONDS", "Rest after the relay itself failed, not the message.", ge=1, le=86400
    )

    def sending_policy(self) -> SendingPolicy:
        return SendingPolicy(
            lease=timedelta(seconds=self.lease_seconds),
            rescue_every=timedelta(seconds=self.rescue_seconds),
            connections=self.smtp_connections,
            chunk=self.send_chunk,
            give_up_after=timedelta(hours=self.give_up_hours),
            messages_per_connection=self.messages_per_connection,
            breaker_pause=timedelta(seconds=self.breaker_seconds),
            window=timedelta(hours=self.contact_window_hours),
        )
