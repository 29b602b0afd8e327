"""What may be told of an error, and whether trying again helps.

Prefect and logs keep exception messages in clear, and those of a database quote the row. So an error leaves a step as
one of ours: ours pass as they are (their texts hold no stored value), of all others only name and place are told.
"""

from __future__ import annotations

import traceback

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from comms.errors import CommsError, Temporary

PASSING = (OperationalError, InterfaceError, PoolTimeout, ConnectionError, TimeoutError)


class StepFailed(CommsError):
    """A step of a job ended with an error that is not one of ours: a fault of the program or of its database."""

    code = "step_failed"


def retell(error: Exception) -> CommsError:
    """Turn any error into one that may be stored and shown."""
    if isinstance(error, CommsError):
        return error
    told = f"{type(error).__name__} at {_place(error)}"
    return Temporary(told) if isinstance(error, PASSING) else StepFailed(told)


def passes(error: BaseException) -> bool:
    """Say whether the same step may succeed a moment later: trouble of the infrastructure, never of the data."""
    return isinstance(error, (*PASSING, Temporary))


def _place(error: Exception) -> str:
    """The deepest line of our own code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or list(frames)
    if not ours:
        return "an unknown place"
    parts = ours[-1].filename.replace("\\", "/").split("/")
    return f"{'/'.join(parts[-3:])}:{ours[-1].lineno}"
