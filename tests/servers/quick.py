"""`comms` for sessions in documents, in milliseconds: a process that has everything imported forks for each call.

Run as `python -m tests.servers.quick SOCKET` it is that process.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import dies_with_parent

CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(line, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    line.sendall(asked)
    sys.exit(int(line.recv(8) or 1))
"""
"""It hands on its words, its folder, its environment and its three streams, and ends as the command ends."""


@contextmanager
def quick_commands(folder: Path) -> Iterator[Path]:
    """Yield a folder for PATH with a `comms` in it."""
    places = folder / "bin"
    places.mkdir()
    address = str(folder / "s")
    listener = [sys.executable, "-m", __name__, address]
    server = subprocess.Popen(listener, stdout=subprocess.PIPE, preexec_fn=dies_with_parent())
    assert server.stdout
    try:
        assert server.stdout.readline() == b"ready\n"
        client = places / "comms"
        client.write_text(CLIENT.format(python=sys.executable, address=address))
        client.chmod(client.stat().st_mode | stat.S_IXUSR)
        yield places
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def serve(address: str) -> None:
    """Take calls one after the other; each runs in a child of its own, as a fresh process would."""
    import comms.bootstrap.whole_jobs
    import comms.doctor.examination
    import comms.sample
    import comms.store.backups  # noqa: F401

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            line, _ = listener.accept()
            with line:
                line.sendall(str(_answer(line)).encode())


def _answer(line: socket.socket) -> int:
    length, streams, _, _ = socket.recv_fds(line, 4, 3)
    asked = b""
    while len(asked) < int.from_bytes(length, "big"):
        asked += line.recv(65536)
    child = os.fork()
    if child == 0:
        _run(streams, *json.loads(asked))
    for stream in streams:
        os.close(stream)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run(streams: list[int], words: list[str], folder: str, environment: dict[str, str]) -> None:
    from comms.cli import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["comms", *words]
    code = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
