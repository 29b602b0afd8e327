"""The kill switch over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict, Field

from api.schemas.fields import Body, Note, View


class SendingView(View):
    """Since when it is as it is, and by whom; null where nobody ever touched the switch."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"note"})

    paused: bool
    since: datetime | None
    by: str | None
    note: str | None = Field(None, description="Why, in the words of whoever paused it.")
    resting_until: datetime | None = Field(description="The relay failed; sending goes on by itself then.")


class PauseSending(Body):
    """Why, for whoever finds it paused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "wrong footer"}]})

    reason: Note | None = None
