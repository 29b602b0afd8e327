"""One line for each unit of work, in one form, whoever writes it; and never the words of an error."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from comms import logs
from comms.bootstrap import start_logging
from comms.causes import caused_by, events_about
from tests.lines import Lines

log = logs.logger("comms.test")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    yield Lines(capsys)
    logs.configure("text", told=False)


def test_a_unit_of_work_is_one_line_with_what_it_did_and_how_long_it_took(lines: Lines) -> None:
    with logs.unit_of_work(log, "wave", topic="communication-events") as line:
        line["published"] = 3
    [told] = lines.read()
    assert told.pop("ms") >= 0
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "level": "info", "event": "wave", "part": "comms.test", "topic": "communication-events", "published": 3,
    }  # fmt: skip


def test_one_that_fails_tells_the_name_and_the_place_of_the_error_and_not_its_words(lines: Lines) -> None:
    with pytest.raises(KeyError), logs.unit_of_work(log, "wave"), logs.unit_of_work(log, "inner"):
        raise KeyError("Andrea Müller")
    inner, outer = lines.read()
    assert (inner["event"], outer["event"], outer["level"], outer["error"]) == ("inner", "wave", "error", "KeyError")
    assert inner["at"].startswith("comms.logs:")
    assert "Müller" not in str((inner, outer))


@pytest.mark.parametrize("whose", [log, logging.getLogger("prefect.flow_runs")], ids=["ours", "a library's"])
def test_whoever_reads_the_lines_may_go_away(whose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed reads no more of what the runs say that it began; they go on."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as unread, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", unread)
        logs.configure("json")
        whose.error("the run goes on")
        with pytest.raises(BrokenPipeError):
            print("this is a pipe that nobody reads", file=unread, flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
    logs.configure("text", told=False)


def test_what_the_work_goes_back_to_stands_in_each_of_its_lines(lines: Lines) -> None:
    async def work() -> None:
        await asyncio.to_thread(log.info, "there")

    with caused_by("run-1"):
        log.info("here")
        asyncio.run(work())
        with events_about({"request:301": "event-2", "therapist:101": "event-1"}):
            log.info("about")
    log.info("elsewhere")
    here, there, about, elsewhere = lines.read()
    assert here["correlation_id"] == there["correlation_id"] == about["correlation_id"] == "run-1"
    assert about["event_ids"] == ["event-1", "event-2"]
    assert "correlation_id" not in elsewhere


def test_what_libraries_say_has_the_same_form(lines: Lines) -> None:
    with caused_by("run-1"):
        logging.getLogger("library.pool").warning("lost %s connections", 2)
        try:
            raise ValueError("praxis@therapie.example")
        except ValueError:
            logging.getLogger("library.error").exception("Exception in ASGI application")
        logging.getLogger("kafka.conn").error("praxis@therapie.example")
        logging.getLogger("httpx").info("GET /patients/17")
    lost, raised = lines.read()
    assert (lost["event"], lost["part"], lost["level"]) == ("lost 2 connections", "library.pool", "warning")
    assert (raised["event"], raised["error"], raised["correlation_id"]) == (
        "Exception in ASGI application", "ValueError", "run-1",
    )  # fmt: skip


def test_what_writes_already_takes_the_form_and_writes_once(lines: Lines) -> None:
    there = logging.getLogger("uvicorn")
    for _ in range(2):
        there.addHandler(logging.StreamHandler(sys.stderr))
    there.propagate = False
    try:
        logs.configure("json")
        there.warning("Invalid HTTP request received.")
        assert [line["event"] for line in lines.read()] == ["Invalid HTTP request received."]
    finally:
        there.handlers.clear()
        there.propagate = True


def test_for_people_it_is_one_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text")
    log.info("poll", new=2, fault=None)
    told = capsys.readouterr().err
    assert told.endswith("[info     ] poll part=comms.test new=2 fault=None\n")


def test_a_command_at_a_terminal_logs_nothing_for_it_says_itself_what_goes_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("text", told=False)
    log.info("command", command="pause")
    log.error("command", command="pause")
    assert capsys.readouterr().err == ""


def test_a_command_is_quiet_also_where_this_process_logged_before(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging()
    start_logging(told=False)
    log.error("command", command="pause")
    assert capsys.readouterr().err == ""
