"""Closing placement requests and opening them again, wherever they wait."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from comms.rules.states import RequestStatus


@dataclass(frozen=True)
class Withdrawal:
    """Ids of what a withdrawal touched."""

    requests: tuple[int, ...] = ()
    emails_stale: tuple[int, ...] = ()
    emails_canceled: tuple[int, ...] = ()
    calls_canceled: tuple[int, ...] = ()


def withdraw_requests(
    session: Session,
    request_ids: Collection[int],
    now: datetime,
    reason: str,
    status: RequestStatus = RequestStatus.WITHDRAWN,
) -> Withdrawal:
    raise NotImplementedError


def reopen_requests(session: Session, request_ids: Collection[int], now: datetime) -> list[int]:
    raise NotImplementedError
