"""One line for each unit of work: what it was, ids, codes, counts, how long it took, and what it goes back to.

JSON or text, always on standard error. What libraries say passes through the same form. The words of an error are never
written, for they may quote a row or a letter: its name and the place must do.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from comms import tracing
from comms.causes import present_cause

Form = Literal["json", "text"]

_SILENT = ("kafka", "opentelemetry.exporter", "opentelemetry.util")
"""They write addresses and keys, and repeat themselves; we tell codes."""


def logger(name: str) -> FilteringBoundLogger:
    """The logger of one part: `comms.api`, `comms.relay`."""
    found: FilteringBoundLogger = structlog.get_logger(part=name)
    return found


def configure(form: Form, *, told: bool = True) -> None:
    """Say how this process logs; `told` is False for a command at a terminal, which says itself what goes wrong."""
    _configure_ours(form, logging.INFO if told else logging.CRITICAL)
    _take_over(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_ENDING, _renderer(form)],
            foreign_pre_chain=[structlog.stdlib.add_log_level, _add_part],
        )
    )


def _configure_ours(form: Form, level: int) -> None:
    structlog.configure(
        processors=[structlog.processors.add_log_level, *_ENDING, _renderer(form)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(sys.stderr),
    )


def _take_over(formatter: logging.Formatter) -> None:
    """Write ourselves what others write already (uvicorn, Prefect), and what nobody would.

    Prefect's own handler ends the process where nobody reads its lines any more, as after the death of a worker.
    """
    ours = _ToStandardError()
    ours.setFormatter(formatter)
    if not any(map(_is_shown, logging.root.handlers)):
        logging.root.addHandler(ours)
    for found in [logging.root, *map(logging.getLogger, list(logging.root.manager.loggerDict))]:
        found.handlers[:] = dict.fromkeys(ours if _is_shown(handler) else handler for handler in found.handlers)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _is_shown(handler: logging.Handler) -> bool:
    """Files and collectors of others keep their form."""
    return isinstance(handler, _ToStandardError) or getattr(handler, "stream", None) in (sys.stderr, sys.stdout)


class _Lines(structlog.WriteLogger):
    """A line that cannot be written is lost, and nothing else: its reader is gone, or the disk is full."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


class _ToStandardError(logging.Handler):
    """Whatever standard error is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        _Lines(sys.stderr).msg(self.format(record))


def _renderer(form: Form) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, sort_keys=False)


def _add_cause(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    cause = present_cause()
    if cause is not None:
        line.setdefault("correlation_id", cause.id)
        if cause.events and "event_ids" not in line:
            line["event_ids"] = sorted(set(cause.events.values()))
    return line


def _add_part(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    line["part"] = line["_record"].name
    return line


def _tell_error(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Replace an exception by its name and the place where it was raised."""
    raised = line.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        line.update(error=type(error).__name__, at=place_of(error))
    return line


def _lead(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """When, how grave and what comes first: people read lines from the left."""
    return {name: line.pop(name) for name in ("timestamp", "level", "event", "part") if name in line} | dict(line)


_ENDING: list[Processor] = [structlog.processors.TimeStamper(fmt="iso", utc=True), _add_cause, _tell_error, _lead]


@contextmanager
def unit_of_work(log: FilteringBoundLogger, what: str, **known: Any) -> Iterator[dict[str, Any]]:
    """Write one line when the block ends, with what it put into the yielded dict; an error is told and goes on.

    Its span has the same name and knows the same.
    """
    found: dict[str, Any] = dict(known)
    began = time.perf_counter()
    try:
        with tracing.span(f"{what} {known[what]}" if what in known else what) as span:
            span.attributes = found
            yield found
    except BaseException as error:
        log.error(what, **found, **_took(began), exc_info=error)
        raise
    log.info(what, **found, **_took(began))


def _took(began: float) -> dict[str, float]:
    return {"ms": round((time.perf_counter() - began) * 1000, 1)}


def place_of(error: BaseException) -> str:
    """The innermost line of ours, MODULE:LINE."""
    found, trace = "-", error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.split(".")[0] in ("api", "comms", "flows"):
            found = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


_configure_ours("text", logging.WARNING)  # until a program says otherwise
