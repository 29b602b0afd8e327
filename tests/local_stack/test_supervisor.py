"""What the supervisor promises: order, readiness, one log, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from comms.local_stack.log import Log
from comms.local_stack.part import Part
from comms.local_stack.supervisor import PartFailed, StopAsked, Supervisor
from tests.local_stack.parts import becomes_true, lives, pids, sleeper, step

PROGRAM = """
import sys
from pathlib import Path
from comms.local_stack.log import Log
from comms.local_stack.supervisor import StopAsked, Supervisor
from tests.local_stack.parts import sleeper
import os
import signal
for ignored in (signal.SIGINT, signal.SIGHUP):  # as a shell in the background and nohup leave them
    signal.signal(ignored, signal.default_int_handler if ignored is signal.SIGINT else signal.SIG_DFL)
folder = Path(sys.argv[1])
parts = [sleeper(folder, "one"), sleeper(folder, "two", needs=("one",), child=True)]
with Log(folder / "log", None) as log, Supervisor(parts, os.environ, folder, log) as stack:
    stack.start()
    (folder / "up").touch()
    try:
        stack.run()
    except StopAsked:
        (folder / "asked").touch()
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log(tmp_path / "logs" / "stack.log", None) as log:
        yield log


def supervise(parts: list[Part], folder: Path, log: Log) -> Supervisor:
    return Supervisor(parts, os.environ, folder, log)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor in a process of its own, with two parts and a grandchild, all up."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=Path.cwd())
    try:
        assert becomes_true((tmp_path / "up").exists, 20)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_part_starts_only_after_those_it_needs_are_ready(tmp_path: Path, log: Log) -> None:
    late = f"import time, pathlib; time.sleep(0.2); pathlib.Path({str(tmp_path)!r}, 'prepared').touch()"
    check = f"import pathlib; assert pathlib.Path({str(tmp_path)!r}, 'prepared').exists()"
    parts = [
        sleeper(tmp_path, "server", needs=("check",)),
        step("check", check, needs=("prepare",)),
        step("prepare", late),
    ]
    with supervise(parts, tmp_path, log) as stack:
        stack.start()
        assert stack.state() == {"prepare": True, "check": True, "server": True}


def test_parts_that_need_nothing_of_each_other_start_at_once(tmp_path: Path, log: Log) -> None:
    wait_for = "import pathlib, time\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.01)"
    mutual = [step("a", f"open({str(tmp_path / 'a')!r}, 'w')\n" + wait_for.format(str(tmp_path / "b"))),
              step("b", f"open({str(tmp_path / 'b')!r}, 'w')\n" + wait_for.format(str(tmp_path / "a")))]  # fmt: skip
    with supervise(mutual, tmp_path, log) as stack:
        stack.start()


def test_parts_are_ended_in_reverse_order(tmp_path: Path, log: Log) -> None:
    parts = [
        sleeper(tmp_path, "one"),
        sleeper(tmp_path, "two", needs=("one",)),
        sleeper(tmp_path, "three", needs=("two",)),
    ]
    with supervise(parts, tmp_path, log) as stack:
        stack.start()
    assert (tmp_path / "ended").read_text().split() == ["three", "two", "one"]


def test_nothing_is_left_of_parts_that_ignore_sigterm_or_have_children(tmp_path: Path, log: Log) -> None:
    parts = [sleeper(tmp_path, "deaf", stubborn=True), sleeper(tmp_path, "parent", child=True)]
    with supervise(parts, tmp_path, log) as stack:
        stack.start()
        found = pids(tmp_path)
        assert len(found) == 3
        assert all(lives(pid) for pid in found)
    assert [pid for pid in found if lives(pid)] == []


def test_a_step_that_fails_is_named_with_what_it_said(tmp_path: Path, log: Log) -> None:
    with (
        supervise([step("database", "import sys; sys.exit('the disk is full')")], tmp_path, log) as stack,
        pytest.raises(PartFailed, match=r"database: ended with exit code 1(?s:.*)the disk is full"),
    ):
        stack.start()


def test_a_part_that_ends_by_itself_ends_the_watch_and_is_named(tmp_path: Path, log: Log) -> None:
    with supervise([sleeper(tmp_path, "worker")], tmp_path, log) as stack:
        stack.start()
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        with pytest.raises(PartFailed, match="worker: ended with exit code -9"):
            stack.run()


def test_a_part_that_is_never_ready_is_named_when_its_time_is_up(tmp_path: Path, log: Log) -> None:
    slow = Part(
        "server", [sys.executable, "-S", "-c", "import time; time.sleep(60)"], ready=lambda: False, patience=0.2
    )
    with supervise([slow], tmp_path, log) as stack, pytest.raises(PartFailed, match=r"server: was not ready after 0 s"):
        stack.start()


def test_a_program_that_is_not_there_is_named(tmp_path: Path, log: Log) -> None:
    missing = Part("mail", [str(tmp_path / "nothing")])
    with supervise([missing], tmp_path, log) as stack, pytest.raises(PartFailed, match="mail: cannot be started"):
        stack.start()


def test_each_line_of_the_log_bears_the_name_of_its_part_and_private_lines_stay_out(tmp_path: Path, log: Log) -> None:
    talk = "print('ready'); print('Got message from a@b.example')"
    part = Part("mail", [sys.executable, "-S", "-c", talk], unlogged="Got message")
    with supervise([part], tmp_path, log) as stack:
        stack.start()
    assert log.tail("mail") == ["ready"]
    assert "@" not in log.path.read_text()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_end_it_leaves_nothing_behind(
    program: subprocess.Popen[bytes], tmp_path: Path, how: signal.Signals
) -> None:
    found = pids(tmp_path)
    program.send_signal(how)
    assert program.wait(timeout=10) == 0
    assert (tmp_path / "asked").exists()
    assert len(found) == 3
    assert [pid for pid in found if lives(pid)] == []


def test_killed_it_leaves_nothing_behind_after_15_seconds(program: subprocess.Popen[bytes], tmp_path: Path) -> None:
    found = pids(tmp_path)
    program.kill()
    assert len(found) == 3
    assert becomes_true(lambda: not any(lives(pid) for pid in found), 15)


def test_stop_is_heard_while_parts_still_start(tmp_path: Path, log: Log) -> None:
    never = Part("server", [sys.executable, "-S", "-c", "import time; time.sleep(60)"], ready=lambda: False)
    with supervise([never], tmp_path, log) as stack:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopAsked):
            stack.start()
