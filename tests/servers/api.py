"""The API as it really runs: uvicorn on loopback, in a thread beside the test, or in a process that can be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy.engine.default import DefaultDialect

from api.building import create_app
from comms.config import Settings


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve `app` from a thread; yields its URL. Ends gracefully: requests at work are answered first."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)


@contextmanager
def server_process(database_url: str, *, dies: str = "") -> Iterator[tuple[str, BaseProcess]]:
    """Serve from a process of its own; yields its URL and the process.

    `dies` is "before_commit" or "after_commit": the process kills itself with -9 there, at its first writing.
    The socket listens before the process runs: who connects at once, waits.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    process = context.Process(target=_serve, args=(listener, database_url, dies), daemon=True)
    process.start()
    port = listener.getsockname()[1]
    listener.close()  # the process has its own copy: when it dies, connections to it do
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.join()


def _serve(listener: socket.socket, database_url: str, dies: str) -> None:
    if dies:
        _die_at_a_commit(dies)
    app = create_app(Settings(_env_file=None, database_url=database_url))  # type: ignore[call-arg]
    uvicorn.Server(_config(app)).run([listener])


def _die_at_a_commit(dies: str) -> None:
    """Whoever only reads does not commit."""
    commit = DefaultDialect.do_commit

    def committing(dialect: DefaultDialect, connection: Any) -> None:
        if dies == "after_commit":
            commit(dialect, connection)
        os.kill(os.getpid(), signal.SIGKILL)

    DefaultDialect.do_commit = committing  # type: ignore[method-assign]
