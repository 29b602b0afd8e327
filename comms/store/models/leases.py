"""Who does what only one may do, and how far the relay had come on its topic."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from comms.store.models.base import Base


class Lease(Base):
    __tablename__ = "leases"

    role: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    until: Mapped[datetime]


class TopicMark(Base):
    """Up to which offset everything on one of our partitions is known to be marked as published."""

    __tablename__ = "topic_marks"

    topic: Mapped[str] = mapped_column(String(250), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_offset: Mapped[int] = mapped_column(BigInteger)
