"""Running checks at once, each for so long and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Thread

from comms.bootstrap.trouble import retell
from comms.doctor.findings import Finding, fault


@dataclass(frozen=True)
class Check:
    """`look` may raise nothing on purpose; what it yields before it hangs is told all the same."""

    subject: str
    look: Callable[[], Iterable[Finding]]


def examine(checks: Sequence[Check], patience: float) -> list[Finding]:
    """Do them all and tell their findings in the order of `checks`; at most `patience` seconds in all."""
    until = time.monotonic() + patience
    looks = [_Look(check) for check in checks]
    for look in looks:
        look.thread.start()
    return [finding for look in looks for finding in look.findings(until, patience)]


@dataclass
class _Look:
    """One check in a thread of its own; a thread that hangs ends with the process."""

    check: Check
    found: list[Finding] = field(default_factory=list)
    thread: Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = Thread(target=self._run, name=f"doctor {self.check.subject}", daemon=True)

    def _run(self) -> None:
        try:
            for finding in self.check.look():
                self.found.append(finding)
        except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
            words = f"the check itself broke: {retell(error)}"
            self.found.append(fault(self.check.subject, words, "report this line; it is a fault of the program"))

    def findings(self, until: float, patience: float) -> list[Finding]:
        self.thread.join(max(0.0, until - time.monotonic()))
        found = list(self.found)
        if self.thread.is_alive():
            words = f"nothing was heard within {patience:.0f} s"
            found.append(fault(self.check.subject, words, "look at what is silent; then ask again with --patience"))
        return found
