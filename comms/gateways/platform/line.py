"""One service of the platform in one run: calls within bounds of time and size, and an end of asking."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

import httpx

from comms import tracing
from comms.gateways.platform.reading import Faulty
from comms.ports import UNKNOWN

FAULTS_IN_A_ROW = 3
"""Then the service is at fault, and not one answer."""
MAX_BYTES = 8 * 2**20
"""A page of 100 requests with notes of 10,000 characters, each written as an escape, is 6 MB."""

_NUMBER = re.compile(r"\d+")

T = TypeVar("T")


class Line:
    """A service that can be asked; counts faults in a row and the time since it was asked first."""

    def __init__(
        self, client: httpx.AsyncClient, base: str, at_once: int, call_seconds: float, run_seconds: float
    ) -> None:
        self._client, self._base = client, base
        self._gate = asyncio.Semaphore(at_once)
        self._call_seconds, self._run_seconds = call_seconds, run_seconds
        self._ends: float | None = None
        self._faults_in_a_row = 0

    async def ask(self, read: Callable[[bytes], T], method: str, path: str, **parts: Any) -> T:
        """Make one call and read its answer; Faulty where there is none that can be used."""
        async with self._gate:
            self._require_sense()
            try:
                found = await self._told(read, method, path, **parts)
            except Faulty as faulty:
                self._faults_in_a_row = 0 if faulty.code == UNKNOWN else self._faults_in_a_row + 1
                raise
            self._faults_in_a_row = 0
            return found

    def _require_sense(self) -> None:
        if self._faults_in_a_row >= FAULTS_IN_A_ROW:
            raise Faulty("gave_up")
        if self._ends is None:
            self._ends = monotonic() + self._run_seconds
        if monotonic() >= self._ends:
            raise Faulty("out_of_time")

    async def _told(self, read: Callable[[bytes], T], method: str, path: str, **parts: Any) -> T:
        """One call as a span: of the path it has the shape, of trouble the code."""
        template = _NUMBER.sub("{id}", path)
        with tracing.span(f"{method} {template}", "client", **{"http.request.method": method}) as span:
            try:
                return read(await self._bounded(method, path, **parts))
            except Faulty as faulty:
                span.failed = faulty.code
                raise

    async def _bounded(self, method: str, path: str, **parts: Any) -> bytes:
        """Name what went wrong; what the libraries say may quote the URL."""
        try:
            async with asyncio.timeout(self._call_seconds):
                return await self._once_more(method, path, **parts)
        except (TimeoutError, httpx.TimeoutException):
            raise Faulty("timeout") from None
        except (httpx.ConnectError, httpx.InvalidURL):
            raise Faulty("refused") from None
        except httpx.RequestError:
            raise Faulty("cut_off") from None

    async def _once_more(self, method: str, path: str, **parts: Any) -> bytes:
        """A connection that was kept open may have been closed by the other side just now: that is no fault."""
        try:
            return await self._exchange(method, path, **parts)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return await self._exchange(method, path, **parts)

    async def _exchange(self, method: str, path: str, **parts: Any) -> bytes:
        async with self._client.stream(method, self._base + path, **parts) as response:
            fault = _fault_of(response.status_code)
            if fault and fault != UNKNOWN:
                raise Faulty(fault)
            content = await _read(response)
        if fault:
            raise Faulty(fault)
        return content


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > MAX_BYTES:
            raise Faulty("too_large")
    return bytes(content)


def _fault_of(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if status in (404, 410):
        return UNKNOWN
    return "redirect" if 300 <= status < 400 else f"status_{status}"
