"""Phone calls: who needs one, when it can stand, what came of it.

`completing` and `canceling` are not imported here: they settle placement requests, and what does that takes requests
out of calls again (`removal`).
"""

from comms.services.calls.removal import remove_from_calls

__all__ = ["remove_from_calls"]
