"""What a key of the API may do."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Scope(StrEnum):
    READ = "read"
    CONTENT = "content"
    """Bodies, what therapists wrote, and every notes field; left out of answers without it."""
    WRITE = "write"
    OVERRIDE = "override"
    """Breaking the contact rule, with a reason."""
    OPS = "ops"
    """Pause, resume, resolve, metrics."""
    ADMIN = "admin"
    """All of them."""


def grants(held: Collection[str], wanted: Scope) -> bool:
    return wanted in held or Scope.ADMIN in held
