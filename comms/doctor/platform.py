"""The platform's services over HTTP: does each answer as agreed?"""

from __future__ import annotations

from collections.abc import Iterator

from comms.bootstrap.parts import platform_directory_of
from comms.config import Settings
from comms.doctor.findings import Finding, fault, ok
from comms.ports import UNKNOWN, PlatformDirectory, PlatformService

SUBJECT = "platform"
NOBODY = 0
"""An id that no therapist and no patient has; `unknown` is the right answer."""


def look(settings: Settings) -> Iterator[Finding]:
    """Ask each service of the settings one harmless question."""
    made = platform_directory_of(settings)
    if made is None:
        yield ok(SUBJECT, "no service is set, and none is needed")
        return
    with made as directory:
        for service in sorted(directory.services):
            yield _judge(service, _ask(directory, service))


def _ask(directory: PlatformDirectory, service: PlatformService) -> str | None:
    if service is PlatformService.MATCHING:
        return directory.open_requests(1, 1).fault
    return directory.facts(service, [NOBODY])[0].fault


def _judge(service: PlatformService, code: str | None) -> Finding:
    if code is None or code == UNKNOWN:
        return ok(SUBJECT, f"the {service} service answers as agreed")
    named = f"PLATFORM_{service.upper()}_URL"
    cure = (
        "COMMS_PLATFORM_TOKEN" if code in ("status_401", "status_403") else f"{named}; docs/operations.md has the codes"
    )
    return fault(SUBJECT, f"the {service} service fails ({code})", cure)
