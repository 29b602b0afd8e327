"""Flow runs that a stack left behind: their processes are gone, but Prefect would wait for them for ever.

A run that was stopped before it began sends no heartbeat and keeps the only slot of its deployment: every later run of
the queue would be canceled, without a word.
"""

from __future__ import annotations

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


async def end_leftovers(client: PrefectClient, pool: str) -> int:
    """Crash every run of the pool that seems to be under way. Only before the first worker of a server starts."""
    under_way = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNDER_WAY)))
    in_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found = await client.read_flow_runs(flow_run_filter=under_way, work_pool_filter=in_pool, limit=200)
    for run in found:
        await client.set_flow_run_state(run.id, Crashed(message="its stack was ended"))
    return len(found)
