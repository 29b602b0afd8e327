"""What the platform is still to be told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from comms.rules.states import RequestStatus
from comms.store.models.base import Base, BigId, one_of

UNTOLD = "done_at IS NULL"


class PlatformUpdate(Base):
    """One placement request whose new status the matching service is to hear, or has heard."""

    __tablename__ = "platform_updates"

    placement_request_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("placement_requests.id"), primary_key=True, autoincrement=False
    )
    status: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_attempt_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    fault: Mapped[str | None] = mapped_column(String(40))
    """Why the last attempt did not succeed, as a code; stays when it is done."""

    __table_args__ = (
        CheckConstraint(one_of("status", (RequestStatus.IN_PROGRESS,)), name="status"),
        Index(
            "ix_platform_updates_untold",
            "next_attempt_at",
            sqlite_where=text(UNTOLD),
            postgresql_where=text(UNTOLD),
        ),
    )
