"""What the answers of therapists mean for placement requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from comms.rules.states import Outcome


def settle_requests(session: Session, outcomes: Mapping[int, Outcome], now: datetime) -> None:
    raise NotImplementedError
