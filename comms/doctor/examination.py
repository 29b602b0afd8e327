"""Everything that is looked at, in the order in which a person would: what the rest depends on comes first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial

from dotenv import dotenv_values

from comms.config.settings import ENV_FILE, read_settings
from comms.doctor import alignment, bus, database, files, mail, platform, prefect, settings
from comms.doctor.checking import Check, examine
from comms.doctor.findings import Finding, fault
from comms.errors import ConfigurationError


@dataclass(frozen=True)
class Wishes:
    """`nameserver` (ADDRESS or ADDRESS#PORT) is asked instead of the system's."""

    send: bool = False
    """A test mail to EMAIL_SENDER itself; or to another address."""
    send_to: str | None = None
    nameserver: str | None = None
    patience: float = 20.0
    """Seconds for everything."""


def examine_installation(wishes: Wishes) -> list[Finding]:
    """Look at everything that the settings name. Settings that cannot be read are all that is told."""
    try:
        given, faults = read_settings()
    except ConfigurationError as error:
        return [fault(settings.SUBJECT, line, settings.CURE) for line in error.faults]
    environment = {**_of_file(), **os.environ}
    send_to = wishes.send_to or (given.email_sender if wishes.send else None)
    checks = [
        Check(settings.SUBJECT, partial(settings.look, given, faults)),
        Check(files.SUBJECT, partial(files.look, given, environment)),
        Check(database.SUBJECT, partial(database.look, given)),
        Check(mail.SUBJECT, partial(mail.look, given, send_to)),
        Check(alignment.SUBJECT, partial(alignment.look, given, wishes.nameserver)),
        Check(bus.SUBJECT, partial(bus.look, given)),
        Check(platform.SUBJECT, partial(platform.look, given)),
        Check(prefect.SUBJECT, partial(prefect.look, given)),
    ]
    return examine(checks, wishes.patience)


def _of_file() -> dict[str, str]:
    """What `.env` sets; it was read before, so it can be."""
    return {name: value for name, value in dotenv_values(ENV_FILE, encoding="utf-8-sig").items() if value is not None}
