"""How tests of the platform's services reach a scripted platform, and look at what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from comms.gateways.platform import HttpDirectory
from comms.services.platform import sync_platform, tell_platform
from comms.store.models import PlatformUpdate
from comms.store.session import Sessions, reading
from tests.factories import NOW
from tests.gateways.platform import settings
from tests.servers.platform import PlatformServer

DAY = timedelta(hours=24)


def sync(sessions: Sessions, server: PlatformServer, now: datetime = NOW, **values: Any) -> dict[str, Any]:
    with HttpDirectory(settings(server.url, **values)) as directory:
        return sync_platform(sessions, directory, now, DAY)


def tell(sessions: Sessions, server: PlatformServer, now: datetime = NOW, **values: Any) -> dict[str, Any]:
    with HttpDirectory(settings(server.url, **values)) as directory:
        return tell_platform(sessions, directory, now)


def column(sessions: Sessions, value: Any, *where: Any) -> list[Any]:
    """One column of the rows, in its own order."""
    with reading(sessions) as session:
        return list(session.scalars(select(value).where(*where).order_by(value)))


def updates(sessions: Sessions) -> Sequence[tuple[int, int, str | None, bool]]:
    """(request, attempts, fault, done) of everything that is or was to be told."""
    with reading(sessions) as session:
        rows = session.scalars(select(PlatformUpdate).order_by(PlatformUpdate.placement_request_id))
        return [(row.placement_request_id, row.attempts, row.fault, row.done_at is not None) for row in rows]
