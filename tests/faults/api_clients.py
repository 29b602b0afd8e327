"""Clients of the API that go on asking whatever happens, and keep a history of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

from tests.faults.history import Answer, History, Told

NOTHING_CHANGED = ("database_away", "database_not_ready")
"""What a 503 may say that promises this; any other leaves it open."""


@dataclass
class Good:
    """One good answer: when it was asked for, and when it came."""

    asked: float
    came: float


@dataclass
class Clients:
    """`count` threads; each suppresses one mailbox after the other, each of them once."""

    url: str
    key: str
    history: History
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    """Of mailboxes; nobody else uses them."""
    good: list[Good] = field(default_factory=list)
    slowest: float = 0.0
    codes: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self, clients: int) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(90)

    def good_since(self, instant: float) -> float | None:
        """Seconds from `instant` to the first good answer to a question that was asked after it."""
        return min((each.came - instant for each in list(self.good) if each.asked >= instant), default=None)

    def _ask_on(self) -> None:
        with httpx.Client(base_url=self.url, timeout=90, headers={"Authorization": f"Bearer {self.key}"}) as client:
            while not self._over.is_set():
                mailbox = f"praxis{next(self.numbers)}@therapie.example"
                asked = time.monotonic()
                with self.history.asking("suppress", mailbox) as answer:
                    self._ask(client, mailbox, answer)
                came = time.monotonic()
                self.slowest = max(self.slowest, came - asked)
                if answer.told is Told.OK:
                    self.good.append(Good(asked, came))
                self._over.wait(0.02)

    def _ask(self, client: httpx.Client, mailbox: str, answer: Answer) -> None:
        try:
            response = client.post("/api/suppressions", json={"address": mailbox})
        except httpx.HTTPError:
            self.codes.add("no answer")
            return
        if response.status_code == 201:
            answer.told = Told.OK
            return
        code = response.json()["type"].rpartition("/")[2].rpartition(":")[2]
        self.codes.add(code)
        if code in NOTHING_CHANGED:
            answer.told = Told.FAILED
