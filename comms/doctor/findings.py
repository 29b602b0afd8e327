"""What a check found: one line, with what to do where something is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, and should not stay so."""
    FAULT = "fault"
    UNKNOWN = "could not ask"
    """Whoever would know does not answer; it may be well."""


@dataclass(frozen=True)
class Finding:
    """`subject` names what was looked at. No value of a setting and no secret stands in it, but names and addresses."""

    subject: str
    state: State
    words: str
    cure: str | None = None


def ok(subject: str, words: str) -> Finding:
    return Finding(subject, State.OK, words)


def warning(subject: str, words: str, cure: str) -> Finding:
    return Finding(subject, State.WARNING, words, cure)


def fault(subject: str, words: str, cure: str) -> Finding:
    return Finding(subject, State.FAULT, words, cure)


def unknown(subject: str, words: str, cure: str) -> Finding:
    return Finding(subject, State.UNKNOWN, words, cure)
