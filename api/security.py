"""Who asks: the bearer key of a request, and what it may do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from api.attempts import Attempts
from api.problems import TooMany, Unauthenticated
from comms.rules.scopes import Scope, grants
from comms.services.keys import Key, digest, find_key
from comms.store.engines import clock
from comms.store.session import Sessions, reading

TRUSTED_SECONDS = 5.0
"""So long a key is not looked up again: a key that was revoked works no longer than this."""

REMEMBERED = 10_000


@dataclass(frozen=True)
class Caller:
    """A key that was found usable."""

    id: int
    name: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """As it stands in the audit log."""
        return f"key:{self.name}"

    def may(self, scope: Scope) -> bool:
        return grants(self.scopes, scope)


def address_of(client: tuple[str, int] | None) -> str:
    """Whom a request came from, as the server sees it: behind a proxy that it trusts, who asked the proxy."""
    return client[0] if client else "a socket"


def bearer(header: str | None) -> str:
    """Take the key out of an Authorization header; Unauthenticated where there is none."""
    scheme, _, secret = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("send a key: Authorization: Bearer …; `comms keys create` makes one")
    return secret.strip()


class Doorkeeper:
    """Looks keys up, remembers them for some seconds, and counts requests per key."""

    def __init__(self, sessions: Callable[[], Sessions], requests_per_minute: int, attempts: Attempts) -> None:
        self._sessions = sessions
        self._limit, self._attempts = requests_per_minute, attempts
        self._known: dict[str, tuple[float, Caller]] = {}
        self._allowance: dict[int, tuple[float, float]] = {}

    def remembered(self, secret: str) -> Caller | None:
        """Find a key without the database; None where it must be looked up."""
        until, caller = self._known.get(digest(secret), (0.0, None))
        return caller if time.monotonic() < until else None

    def look_up(self, secret: str, address: str) -> Caller:
        """Find a key in the database; Unauthenticated for one that is unknown, expired or revoked.

        TooMany for who tried too many of those; a key that was usable before is looked up all the same, for others may
        share the address.
        """
        if digest(secret) not in self._known:
            self._attempts.require(address)
        with reading(self._sessions()) as session:
            key, now = find_key(session, secret), clock(session)
        try:
            caller = _usable(key, now)
        except Unauthenticated:
            self._known.pop(digest(secret), None)
            self._attempts.failed(address)
            raise
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[digest(secret)] = (time.monotonic() + TRUSTED_SECONDS, caller)
        return caller

    def count(self, caller: Caller) -> None:
        """Let one more request of this key in; TooMany above the limit (a bucket that fills evenly)."""
        now = time.monotonic()
        left, at = self._allowance.get(caller.id, (float(self._limit), now))
        left = min(float(self._limit), left + (now - at) * self._limit / 60)
        if left < 1:
            wait = max(1, round((1 - left) * 60 / self._limit))
            raise TooMany(f"more than {self._limit} requests a minute with this key", {"Retry-After": str(wait)})
        self._allowance[caller.id] = (left - 1, now)


def _usable(key: Key | None, now: datetime) -> Caller:
    if key is None or not key.usable(now):
        raise Unauthenticated("this key is unknown, expired or revoked")
    return Caller(key.id, key.name, frozenset(key.scopes))
