"""Concrete parts, made from settings; one of each in a process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from sqlalchemy import Engine

from comms import logs, otlp
from comms.config import Settings, get_config
from comms.ports import EmailSender, PlatformDirectory
from comms.services.correspondence import Correspondence
from comms.store.engines import make_engine
from comms.store.session import Sessions, make_sessions
from comms.store.version import require_current


@cache
def engine() -> Engine:
    """The process's engine; DatabaseNotReady when the schema is missing or another version's."""
    made = make_engine(get_config().database_url)
    require_current(made)
    return made


@cache
def sessions() -> Sessions:
    return make_sessions(engine())


def settings() -> Settings:
    return get_config()


def start_logging(*, told: bool = True) -> None:
    """Log as the settings say. What is not `told` as text is told as JSON all the same: then nobody sits before it.

    Spans go where the environment says.
    """
    form = get_config().log_format
    logs.configure(form, told=told or form == "json")
    otlp.start()


def email_sender() -> EmailSender:
    """The relay of the settings."""
    from comms.gateways.smtp import SmtpSender

    return SmtpSender(get_config().get_smtp_settings())


@cache
def correspondence() -> Correspondence:
    """Templates and identity of the settings; the templates are compiled once."""
    from comms.services.letters.render import Letters

    given = get_config()
    return Correspondence(Letters(given.templates), given.identity(), given.time_zone, given.diagnosis_detail)


def platform_directory() -> AbstractContextManager[PlatformDirectory] | None:
    """The platform's services of the settings, for one run; None where there is none."""
    return platform_directory_of(get_config())


def platform_directory_of(settings: Settings) -> AbstractContextManager[PlatformDirectory] | None:
    given = settings.get_platform_settings()
    if given is None:
        return None
    from comms.gateways.platform import HttpDirectory

    return HttpDirectory(given)
