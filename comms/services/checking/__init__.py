"""`comms check`: what must hold after anything, asked of the database; one query per invariant."""

from comms.services.checking.invariant import Invariant
from comms.services.checking.run import INVARIANTS, Broken, Terms, check

__all__ = ["INVARIANTS", "Broken", "Invariant", "Terms", "check"]
