"""When the trouble is no longer one message's but the channel's."""

from __future__ import annotations

from threading import Lock

from comms.rules.replies import Fault, Phase, Reply
from comms.rules.retry import Kind, classify

FAULTS_IN_A_ROW = 2
"""Letters on which fresh connections broke, one after the other; a single one may be that letter's own fault."""
REFUSALS_IN_A_ROW = 10
"""Letters refused as such, without one taken between them: then it is us who are refused."""

_OPENING = (Phase.CONNECT, Phase.TLS, Phase.AUTH)
_REFUSED = (Kind.POLICY, Kind.PERMANENT_CONTENT)


class Breaker:
    """Looks at the replies of all connections of a run."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults = 0
        self._refusals = 0

    def look(self, reply: Reply) -> Reply | None:
        """Return the reply for which the channel must be closed, or None while it may stay open."""
        kind = classify(reply)
        with self._lock:
            if kind is Kind.CONFIGURATION:
                return reply
            if kind is Kind.CHANNEL_TRANSIENT:
                self._faults += 1
                return reply if reply.phase in _OPENING or self._faults >= FAULTS_IN_A_ROW else None
            if kind in (Kind.RETURNED, Kind.UNKNOWN):
                return None
            self._faults = 0
            self._refusals = self._refusals + 1 if kind in _REFUSED else 0
            return _all_refused(reply) if self._refusals >= REFUSALS_IN_A_ROW else None


def _all_refused(reply: Reply) -> Reply:
    """Stands for the whole row: not a word of one server about one letter."""
    return Reply(reply.phase, fault=Fault.REFUSED_IN_A_ROW)
