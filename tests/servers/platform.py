"""The platform's three services on loopback, one server for all: good by default, and as bad as it is told to be."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

LIST, PUT, THERAPIST, PATIENT = "list", "put", "therapist", "patient"
"""What can be asked; scripts go by these names."""

_PLACES = {"therapists": THERAPIST, "patients": PATIENT, "placement-requests": PUT}


@dataclass(frozen=True)
class Answer:
    """`silence`: seconds before it. `trickle`: seconds between its bytes; a prompt head comes whole."""

    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    silence: float = 0
    trickle: float = 0
    prompt_head: bool = False
    claims: int | None = None
    """Content-Length, where it is a lie."""


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


@dataclass(frozen=True)
class Asked:
    """One call as it came in."""

    what: str
    id: int | None
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None


Behaviour = Answer | None | Callable[[Asked], Answer | None]
"""None: what a good service says."""


class PlatformServer:
    """`requests` (which may hold rubbish), `therapists` and `patients` are what it knows, in its German."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.therapists: dict[int, dict[str, Any]] = {}
        self.patients: dict[int, dict[str, Any]] = {}
        self.script: dict[str, Behaviour] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self.over = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.platform = self
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    def count(self, what: str) -> int:
        return sum(asked.what == what for asked in self.asked)

    def answer(self, asked: Asked) -> Answer:
        """Say what the script says, else the truth."""
        self.asked.append(asked)
        behaviour = self.script.get(asked.what)
        scripted = behaviour(asked) if callable(behaviour) else behaviour
        return scripted or self._truth(asked)

    def _truth(self, asked: Asked) -> Answer:
        if asked.what == LIST:
            return self._page(asked.query)
        if asked.what == PUT:
            return self._put(asked)
        people = self.therapists if asked.what == THERAPIST else self.patients
        found = people.get(asked.id or 0)
        return as_json({"message": "not found"}, 404) if found is None else as_json(found)

    def _page(self, query: dict[str, str]) -> Answer:
        page, limit = int(query.get("page", 1)), min(int(query.get("limit", 20)), 100)
        listed = [row for row in self.requests if not isinstance(row, dict) or row.get("status") in (None, "offen")]
        return as_json(listed[(page - 1) * limit : page * limit])

    def _put(self, asked: Asked) -> Answer:
        found = [row for row in self.requests if row["id"] == asked.id]
        for row in found:
            row |= asked.body
        return as_json(found[0]) if found else as_json({"message": "not found"}, 404)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    platform: PlatformServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has heard enough is no fault of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.platform.connections += 1

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        place, _, id_ = parts.path.partition("/api/")[2].partition("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        what = _PLACES[place] if id_ else LIST
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(what, int(id_) if id_ else None, parts.path, query, headers, body)
        self._say(self.server.platform.answer(asked))

    def _say(self, answer: Answer) -> None:
        over = self.server.platform.over
        if answer.silence and over.wait(answer.silence):
            return
        head = {"Content-Type": "application/json", "Content-Length": str(answer.claims or len(answer.content))}
        lines = [f"{name}: {value}" for name, value in (head | answer.headers).items()]
        start = f"HTTP/1.1 {answer.status} x\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
        with suppress(OSError):
            for part in _parts(start.encode(), answer):
                self.connection.sendall(part)
                if answer.trickle and over.wait(answer.trickle):
                    return
        if answer.claims is not None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


def _parts(head: bytes, answer: Answer) -> list[bytes]:
    """Cut an answer into what is sent at a time."""
    told = head + answer.content
    if not answer.trickle:
        return [told]
    at_once = len(head) if answer.prompt_head else 1
    return [told[:at_once], *(told[at : at + 1] for at in range(at_once, len(told)))]


def german_request(id_: int, patient_id: int, therapist_id: int, **fields: Any) -> dict[str, Any]:
    values = {"id": id_, "patient_id": patient_id, "therapist_id": therapist_id, "status": "offen"}
    return values | {"created_at": "2026-03-02T08:15:00.123456", "priority": None, "notes": None} | fields


def german_therapist(id_: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": id_, "anrede": "Frau", "titel": "Dr.", "vorname": "Andrea", "nachname": "Müller",
        "strasse": "Hauptstraße 1", "plz": "10827", "ort": "Berlin", "telefon": "030 1234567",
        "email": f"praxis{id_}@therapie.example", "geschlecht": "weiblich", "status": "aktiv",
        "telefonische_erreichbarkeit": {"montag": ["09:00-12:00"]}, "potenziell_verfuegbar": False,
        "naechster_kontakt_moeglich": None,
    } | fields  # fmt: skip


def german_patient(id_: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": id_, "geburtsdatum": "1988-04-17", "geschlecht": "weiblich", "diagnose": "F32.1 G",
        "krankenkasse": "AOK Nordost", "startdatum": "2026-03-02", "offen_fuer_gruppentherapie": False,
        "zeitliche_verfuegbarkeit": {"monday": [{"start": "08:00", "end": "12:00"}]},
        "psychotherapieerfahrung": True, "letzter_kontakt": None,
    } | fields  # fmt: skip
