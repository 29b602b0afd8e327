"""The steps that speak with the platform over HTTP. Where no service is configured, they cost nothing and say so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from comms.bootstrap.parts import platform_directory, sessions, settings
from comms.bootstrap.steps import Step, step
from comms.ports import PlatformDirectory
from comms.rules.as_of import Standing
from comms.services import platform
from comms.store.engines import clock
from comms.store.session import reading

SYNC_PLATFORM = "sync-platform"


@step
def ask_platform(run: Step) -> Step:
    """Bring in open requests and the facts they need, as far as the platform's services answer."""
    age = settings().facts_max_age
    return _with_directory(run, "asked", lambda directory: platform.sync_platform(sessions(), directory, _now(), age))


@step
def ask_for_facts(run: Step, request_ids: Collection[int]) -> Step:
    """Ask about the therapists and patients of these requests of whom nothing is known."""
    if not request_ids:
        return {"ended": "nothing_new"}
    return _with_directory(
        run,
        "asked",
        lambda directory: platform.fetch_facts_of_requests(sessions(), directory, request_ids, _now()),
    )


@step
def tell_platform(run: Step) -> Step:
    """Tell the platform what is in progress here."""
    return _with_directory(run, "told", lambda directory: platform.tell_platform(sessions(), directory, _now()))


def _with_directory(run: Step, ended: str, work: Callable[[PlatformDirectory], Step]) -> Step:
    """A run that writes nothing, or acts as if it were in the future, leaves the platform alone."""
    if run["standing"] != Standing.FULL:
        return {"ended": run["standing"]}
    opened = platform_directory()
    if opened is None:
        return {"ended": "not_configured"}
    with opened as directory:
        return {"ended": ended} | work(directory)


def _now() -> datetime:
    with reading(sessions()) as session:
        return clock(session)
