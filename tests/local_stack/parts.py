"""Tiny parts: Python one-liners that write their process ids into a folder and are ready when a file says so."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from comms.local_stack.part import Part

SLEEPER = """
import os, pathlib, signal, subprocess, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
stubborn, child = sys.argv[3] == "stubborn", sys.argv[4] == "child"
def term(*_):
    (folder / "ended").open("a").write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else term)
if child:
    grandchild = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
    (folder / f"{name}-child.pid").write_text(str(grandchild.pid))
(folder / "started").open("a").write(name + "\\n")
print(name, "speaks", flush=True)
(folder / f"{name}.pid").write_text(str(os.getpid()))
time.sleep(300)
"""


def sleeper(
    folder: Path, name: str, *, needs: tuple[str, ...] = (), stubborn: bool = False, child: bool = False
) -> Part:
    """A part that is ready once its pid file is there, and ends at SIGTERM unless it is stubborn."""
    words = ["stubborn" if stubborn else "", "child" if child else ""]
    command = [sys.executable, "-S", "-c", SLEEPER, str(folder), name, *words]
    return Part(name, command, needs, ready=(folder / f"{name}.pid").exists, patience=20, grace=0.3 if stubborn else 5)


def step(name: str, code: str, *, needs: tuple[str, ...] = ()) -> Part:
    return Part(name, [sys.executable, "-S", "-c", code], needs, patience=20)


def pids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("*.pid")]


def lives(pid: int) -> bool:
    """Zombies do not count: in a container nobody may wait for those that the killed supervisor left."""
    try:
        if sys.platform.startswith("linux"):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def becomes_true(question: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Ask again and again; True as soon as the answer is yes. `every`: seconds between, for questions that cost."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(every)
    return question()
