"""How far a long run is, as an artifact that the UI shows while it runs."""

from __future__ import annotations

from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

LONG = 4
"""Steps from which a run counts as long."""


class Progress:
    """Counts steps; writes nothing for a short run."""

    def __init__(self, job: str, steps: int, what: str) -> None:
        self._job, self._steps, self._what = job, steps, what
        self._done = 0
        self._artifact: UUID | None = None

    async def advance(self) -> None:
        """One more step is done."""
        self._done += 1
        if self._steps < LONG:
            return
        percent = round(100 * min(self._done / self._steps, 1), 1)
        told = f"{min(self._done, self._steps)} of {self._steps} {self._what}"
        if self._artifact is None:
            self._artifact = await acreate_progress_artifact(percent, f"{self._job}-progress", told)
        else:
            await aupdate_progress_artifact(self._artifact, percent, told)
