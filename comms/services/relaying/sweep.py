"""One sweep: publish all that can be published now, then give the role back."""

from __future__ import annotations

from dataclasses import dataclass

from comms.services.relaying.relay import WAVE, Relay


@dataclass(frozen=True)
class Swept:
    """`ended` is drained, limit, standby (a relay is at work) or away (the broker)."""

    published: int
    refused: int
    recovered: int
    ended: str
    fault: str | None = None


def sweep(relay: Relay, limit: int) -> Swept:
    """Publish at most `limit` events."""
    published = refused = recovered = 0
    try:
        while published < limit:
            done = relay.round(min(WAVE, limit - published))
            published, refused = published + done.published, refused + done.refused
            recovered += done.recovered
            if done.standing != "active" or done.idle:
                ended = "drained" if done.standing == "active" else done.standing
                return Swept(published, refused, recovered, ended, done.fault)
        return Swept(published, refused, recovered, "limit")
    finally:
        relay.close()
