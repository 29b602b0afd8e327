"""The platform's three services as one directory."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from comms.config.platform import PlatformSettings
from comms.gateways.platform.line import Line
from comms.gateways.platform.reading import Faulty, read_facts, read_page
from comms.ports import PlatformFacts, PlatformService, RequestPage

REQUESTS = "/api/placement-requests"
PATHS = {PlatformService.THERAPIST: "/api/therapists", PlatformService.PATIENT: "/api/patients"}
OPEN, IN_PROGRESS = "offen", "in_bearbeitung"

T = TypeVar("T")


class HttpDirectory:
    """A `PlatformDirectory`; use it as a context manager, from one thread without a running event loop.

    Calls run in an event loop of its own, because only there a call can be ended from outside: a server that sends one
    byte a second would otherwise keep a thread for hours.
    """

    def __init__(self, settings: PlatformSettings) -> None:
        urls = {
            PlatformService.MATCHING: settings.matching_url,
            PlatformService.THERAPIST: settings.therapist_url,
            PlatformService.PATIENT: settings.patient_url,
        }
        bounds = (settings.connections, settings.call_timeout, settings.run_seconds)
        self._client = _make_client(settings)
        self._lines = {service: Line(self._client, url, *bounds) for service, url in urls.items() if url}
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    @property
    def services(self) -> frozenset[PlatformService]:
        return frozenset(self._lines)

    def open_requests(self, page: int, limit: int) -> RequestPage:
        return self._runner.run(self._page(page, limit))

    def facts(self, service: PlatformService, ids: Sequence[int]) -> list[PlatformFacts]:
        async def ask() -> list[PlatformFacts]:
            return await asyncio.gather(*(self._facts_of(service, id_) for id_ in ids))

        return self._runner.run(ask())

    def put_in_progress(self, request_ids: Sequence[int]) -> dict[int, str | None]:
        async def put() -> list[str | None]:
            return await asyncio.gather(*map(self._put, request_ids))

        return dict(zip(request_ids, self._runner.run(put()), strict=True))

    async def _page(self, page: int, limit: int) -> RequestPage:
        asked = {"status": OPEN, "page": page, "limit": limit}
        try:
            return await self._ask(PlatformService.MATCHING, read_page, "GET", REQUESTS, params=asked)
        except Faulty as faulty:
            return RequestPage(fault=faulty.code)

    async def _facts_of(self, service: PlatformService, id_: int) -> PlatformFacts:
        try:
            return await self._ask(service, lambda content: read_facts(content, id_), "GET", f"{PATHS[service]}/{id_}")
        except Faulty as faulty:
            return PlatformFacts(id_, fault=faulty.code)

    async def _put(self, id_: int) -> str | None:
        wanted = {"status": IN_PROGRESS}
        try:
            await self._ask(PlatformService.MATCHING, _ignore, "PUT", f"{REQUESTS}/{id_}", json=wanted)
        except Faulty as faulty:
            return faulty.code
        return None

    async def _ask(
        self, service: PlatformService, read: Callable[[bytes], T], method: str, path: str, **parts: Any
    ) -> T:
        line = self._lines.get(service)
        if line is None:
            raise Faulty("not_configured")
        return await line.ask(read, method, path, **parts)


def _ignore(_content: bytes) -> None:
    """What stands in the answer to a PUT says nothing that its status does not."""


def _make_client(settings: PlatformSettings) -> httpx.AsyncClient:
    """Follows no redirects, reads no proxies from the environment, trusts the system's certificates."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "communication-service"}
    if settings.token:
        headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    read, connect = settings.read_timeout, settings.connect_timeout
    return httpx.AsyncClient(
        headers=headers,
        timeout=httpx.Timeout(read, connect=connect, pool=None),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=settings.connections),
        verify=_trusted(),
        follow_redirects=False,
        trust_env=False,
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Reading the system's certificates takes a while."""
    return ssl.create_default_context()
