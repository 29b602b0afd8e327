"""Phone calls: who needs one, when it can stand, what came of it.

`completing` and `canceling` are imported by their own names: they settle and withdraw placement requests, and what
does that takes requests out of calls again.
"""

from comms.services.calls.cells import is_slot_booked
from comms.services.calls.removal import remove_from_calls
from comms.services.calls.scheduling import (
    FollowUpReport,
    find_available_slot,
    schedule_call_for_email,
    schedule_follow_up_calls,
)

__all__ = [
    "FollowUpReport",
    "find_available_slot",
    "is_slot_booked",
    "remove_from_calls",
    "schedule_call_for_email",
    "schedule_follow_up_calls",
]
