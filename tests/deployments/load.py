"""What clients do meanwhile: one email a second, ten requests a second; what breaks is asked again elsewhere."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

TRIES = 100
PAUSE = 0.2
PASSING = {429, 502, 503, 504}
FIRST_THERAPIST = 100


class Client:
    """Asks one replica after the other, as a client behind a proxy does; what breaks is asked again at the next."""

    def __init__(self, urls: Sequence[str], key: str, over: threading.Event) -> None:
        self._urls: Iterator[str] = itertools.cycle(urls)
        self._http = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self._over = over

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        for _ in range(TRIES):
            try:
                answer = self._http.request(method, next(self._urls) + path, **more)
            except httpx.TransportError:
                self._over.wait(PAUSE)
                continue
            if answer.status_code not in PASSING:
                return answer
            self._over.wait(PAUSE)
        raise AssertionError(f"{method} {path} was never answered")


@dataclass
class Load:
    """In a `with`: two threads at work. `failures` are answers that no client should get."""

    urls: Sequence[str]
    key: str
    email_ids: list[int] = field(default_factory=list)
    answered: int = 0
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._ask)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self) -> None:
        """One email a second, each to another therapist."""
        client = Client(self.urls, self.key, self._over)
        for therapist in itertools.count(FIRST_THERAPIST):
            body = {
                "therapist_id": therapist, "subject": "Anfrage", "body_html": "<p>Guten Tag</p>", "status": "queued",
                "recipient_email": f"praxis{therapist}@therapie.example", "recipient_name": "Praxis",
            }  # fmt: skip
            answer = self._note(client, "POST", "/api/emails", json=body, headers={"Idempotency-Key": str(therapist)})
            if answer is not None:
                self.email_ids.append(answer.json()["id"])
            if self._over.wait(1):
                return

    def _ask(self) -> None:
        """Ten requests a second, every fourth of which changes something."""
        client = Client(self.urls, self.key, self._over)
        asked = itertools.cycle(["/api/emails?limit=5", "/api/staff-list", "/api/emails?status=queued"])
        for number in itertools.count(1):
            if number % 4:
                self._note(client, "GET", next(asked))
            else:
                self._note(client, "PUT", f"/api/therapists/{number % 50 + 1}", json={"last_name": f"Name {number}"})
            if self._over.wait(0.1):
                return

    def _note(self, client: Client, method: str, path: str, **more: Any) -> httpx.Response | None:
        try:
            answer = client.send(method, path, **more)
        except AssertionError as error:
            self.failures.append(str(error))
            return None
        if not answer.is_success:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        self.answered += 1
        return answer
