"""Parameters that several flows share. The Prefect UI makes its form of them and of each flow's docstring."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

At = AwareDatetime | None
EmailLimit = Annotated[int, Field(ge=1, le=10_000)]
CallLimit = Annotated[int, Field(ge=1, le=10_000)]
ChunkSize = Annotated[int, Field(ge=1, le=200)]
EventLimit = Annotated[int, Field(ge=1, le=100_000)]
