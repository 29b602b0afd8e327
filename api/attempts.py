"""Keys that fit no lock, counted per address: guessing is hopeless, but each guess would ask the database."""

from __future__ import annotations

import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from threading import Lock

from api.problems import TooMany

REMEMBERED = 10_000
"""Addresses; with more, who failed longest ago is forgotten."""
NETWORK = 64
"""Bits of an IPv6 address that name its owner; the others are his to choose."""


class Attempts:
    """Buckets of failed attempts, filled evenly anew; thread-safe."""

    def __init__(self, per_minute: int) -> None:
        self._limit = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def require(self, address: str) -> None:
        """TooMany where this address has none left."""
        left = self._now_left(owner_of(address), time.monotonic())
        if left < 1:
            wait = max(1, round((1 - left) * 60 / self._limit))
            raise TooMany("too many unknown keys from this address", {"Retry-After": str(wait)})

    def failed(self, address: str) -> None:
        """Count one more."""
        owner, now = owner_of(address), time.monotonic()
        with self._lock:
            self._left[owner] = (max(0.0, self._now_left(owner, now) - 1), now)
            self._left.move_to_end(owner)
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)

    def _now_left(self, owner: str, now: float) -> float:
        left, at = self._left.get(owner, (float(self._limit), now))
        return min(float(self._limit), left + (now - at) * self._limit / 60)


def owner_of(address: str) -> str:
    """Who stands behind an address: itself, or the network of an IPv6 address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return address
    return str(ip.ipv4_mapped or IPv6Address(int(ip) >> (128 - NETWORK) << (128 - NETWORK)))
