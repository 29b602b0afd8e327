"""What a command says when the database fails: cause and cure, never what the database itself says of a row."""

from __future__ import annotations

import sys

from comms.errors import CommsError


class DatabaseAway(CommsError):
    code = "database_away"


class ChangeUnknown(CommsError):
    code = "commit_lost"


class NotAllowed(CommsError):
    code = "not_allowed"


INSUFFICIENT_PRIVILEGE = "42501"
_WHO_MAY = "what changes or compares the schema is for comms_owner, what writes rows for comms_app"


def of_database(error: Exception) -> CommsError | None:
    """Retell an error of the database; None for every other one. Loads the driver's errors only where it was loaded."""
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import SQLAlchemyError

    from comms.bootstrap.trouble import passes, retell
    from comms.store.session import CommitLost

    if not isinstance(error, SQLAlchemyError):
        return None
    if isinstance(error, CommitLost):
        return ChangeUnknown("the database went away while the change was being written: look whether it was made")
    code = getattr(getattr(error, "orig", None), "pgcode", None)
    if passes(error):
        said = f" (code {code})" if code else ""
        return DatabaseAway(f"the database does not answer{said}: does it run, and is DATABASE_URL right?")
    if code == INSUFFICIENT_PRIVILEGE:
        return NotAllowed(f"the database allows the role of DATABASE_URL less than this (code {code}): {_WHO_MAY}")
    told = retell(error)
    return type(told)(f"{told}{f', code {code}' if code else ''}: a fault of the program or of its database")
