"""`python -m benchmarks.instructions.asking APP METHOD PATH KEY COUNT`, under callgrind: counts so many requests."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from benchmarks.api import EMAIL

T = TypeVar("T")


class Here:
    """Does what waits for the database at once, in the only thread."""

    async def do(self, work: Callable[[], T]) -> T:
        return work()


def main(app: str, method: str, path: str, key: str, count: int) -> None:
    ask = {"ours": _ours, "flask": _flask}[app](method, path, key)
    for number in range(count):
        ask(number)
    _callgrind("on")
    for number in range(count, 2 * count):
        ask(number)
    _callgrind("off")


def _callgrind(state: str) -> None:
    subprocess.run(["callgrind_control", "-i", state, str(os.getpid())], stdout=subprocess.DEVNULL, check=True)


def _body(method: str, number: int) -> bytes:
    return EMAIL.replace("{n}", str(number)).encode() if method == "POST" else b""


def _ours(method: str, path: str, key: str) -> Callable[[int], None]:
    from api.app import app

    loop, (path, _, query) = asyncio.new_event_loop(), path.partition("?")
    app.state.parts.readers = app.state.parts.writers = Here()
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "query_string": query.encode()}

    def ask(number: int) -> None:
        body, said = _body(method, number), list[Any]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            said.append(message)

        loop.run_until_complete(app(scope | {"headers": headers, "client": None, "root_path": ""}, receive, send))
        assert said[0]["status"] in (200, 201), said

    return ask


def _flask(method: str, path: str, _key: str) -> Callable[[int], None]:
    from werkzeug.test import EnvironBuilder

    from benchmarks.api.others import flask

    builder = EnvironBuilder(path, method=method, content_type="application/json")
    environ = builder.get_environ()

    def ask(number: int) -> None:
        body, said = _body(method, number), list[str]()
        given = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        assert b"".join(flask(given, lambda status, *_: said.append(status)))
        assert said[0].startswith(("200", "201")), said

    return ask


if __name__ == "__main__":
    main(*sys.argv[1:5], count=int(sys.argv[5]))
