"""`comms doctor`: is this installation well? One file per subject; each looks at the real thing and says what to do.

A check asks with short limits and changes nothing. All run at once, so that one silent server hides no other fault.
"""

from comms.doctor.checking import Check, examine
from comms.doctor.findings import Finding, State

__all__ = ["Check", "Finding", "State", "examine"]
