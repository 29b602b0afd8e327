"""Letters on their way from the claim to the connections, and whether any more shall go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from threading import Condition, Event

from comms.services.sending.report import Ended
from comms.services.sending.values import Claimed


class Dispatch:
    """Shared by the thread that claims and the threads that send."""

    def __init__(self, low: int, stop: Event) -> None:
        """`low` is the number of waiting letters below which `wait` wakes up, to claim more."""
        self._low, self._stop = low, stop
        self._changed = Condition()
        self._waiting: deque[Claimed] = deque()
        self._in_flight = 0
        self._connected = 0
        self._closed = False
        self.halted: Ended | None = None
        """Why nothing more may start; None while all is well."""

    def put(self, letters: Iterable[Claimed]) -> None:
        with self._changed:
            self._waiting.extend(letters)
            self._changed.notify_all()

    def take(self) -> Claimed | None:
        """Wait for the next letter; None once there will be none. Everything taken is given back or done."""
        with self._changed:
            while not self._waiting and not self._closed and not self.halted:
                self._changed.wait()
            if self.halted or self._stop.is_set() or not self._waiting:
                return None
            self._in_flight += 1
            return self._waiting.popleft()

    def give_back(self, claimed: Claimed) -> None:
        """Let another connection try it."""
        with self._changed:
            self._waiting.appendleft(claimed)

    def done(self) -> None:
        with self._changed:
            self._in_flight -= 1
            if len(self._waiting) < self._low:
                self._changed.notify_all()

    def connected(self, change: int) -> None:
        """Count connections that are open or just being opened: +1, -1."""
        with self._changed:
            self._connected += change

    @property
    def others_connected(self) -> bool:
        """For a connection that could not be opened: whether another one lives, or may yet."""
        return self._connected > 0

    def halt(self, why: Ended) -> None:
        """Start nothing more; what is under way finishes. The first reason stands."""
        with self._changed:
            self.halted = self.halted or why
            self._changed.notify_all()

    def close(self) -> list[Claimed]:
        """Let the senders go once they are done; return what was never started."""
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
            self._closed = True
            self._changed.notify_all()
            return left

    def wait(self, seconds: float) -> None:
        """Wait until something happened, at most `seconds`."""
        with self._changed:
            self._changed.wait(seconds)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        with self._changed:
            return not self._waiting and not self._in_flight
