"""Every error this service raises on purpose. The text says what, where and what to do; never a stored value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CommsError(Exception):
    """Base of the tree. `code` is stable and safe to log, count and show."""

    code = "error"


class BadInput(CommsError):
    """What came in cannot be used; nothing was changed. `where` names the field, row or option."""

    code = "bad_input"

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where
        self.reason = message


@dataclass(frozen=True)
class FieldFault:
    """One field that cannot be used: where it stands, a stable code, and why in words."""

    field: str
    code: str
    message: str


class BadFields(BadInput):
    """Several fields at once cannot be used."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__(f"cannot be used: {', '.join(dict.fromkeys(fault.field for fault in faults))}")
        self.faults = tuple(faults)


class ConfigurationError(CommsError):
    """The settings do not allow a start; `faults` has one line each."""

    code = "configuration"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class NotFound(CommsError):
    """There is no such row."""

    code = "not_found"

    def __init__(self, kind: str, id_: object) -> None:
        super().__init__(f"there is no {kind} {id_}")


class Conflict(CommsError):
    """The request is well formed, but the state of things forbids it."""

    code = "conflict"


class MoveNotAllowed(Conflict):
    """The status has no such move; `allowed` names the moves there are."""

    code = "move_not_allowed"

    def __init__(self, what: str, status: str, move: str, allowed: list[str]) -> None:
        moves = ", ".join(allowed) or "none"
        super().__init__(f"{what} is {status} and cannot {move}; moves from here: {moves}")
        self.status, self.move, self.allowed = status, move, allowed


class LostRace(Conflict):
    """Somebody else changed the row first; load it again and decide again."""

    code = "lost_race"


class ContactRefused(Conflict):
    """The contact policy forbids it; `reason` is one of `rules.contact.Reason`, `next_date` an ISO date or None."""

    code = "contact_refused"

    def __init__(self, reason: str, next_date: str | None = None) -> None:
        until = f" until {next_date}" if next_date else ""
        super().__init__(f"the contact policy refuses it{until}: {reason}")
        self.reason, self.next_date = reason, next_date


class SlotRefused(Conflict):
    """A call cannot stand there; `reason` is one of `rules.slots.SlotReason`."""

    code = "slot_refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Temporary(CommsError):
    """Trouble outside that passes; the same call may succeed later."""

    code = "temporary"


class DatabaseNotReady(CommsError):
    """The database is missing or its schema is not this version's; run `comms db upgrade`."""

    code = "database_not_ready"


class InvariantsBroken(CommsError):
    """Something that must hold after anything does not: one line for each invariant, with ids; see `comms check`."""

    code = "invariants_broken"


class LetterNotRendered(CommsError):
    """A template is at fault; run `comms templates check`. `what` names places and types, never a value."""

    code = "letter_not_rendered"

    def __init__(self, template: str, what: str) -> None:
        super().__init__(f"{template}: {what}")
        self.template, self.what = template, what
