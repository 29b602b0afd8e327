"""Registers the deployments of `prefect.yaml`, the work pool, and the automations that end runs which died."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from comms.errors import ConfigurationError, Temporary
from comms.local_stack import POOL, PREFECT_YAML
from comms.local_stack.automations import ensure_automations
from comms.local_stack.leftovers import end_leftovers
from comms.local_stack.prefect_client import run_prefect, wait_for_server


def deploy(patience: float = 0, *, alone: bool = False) -> None:
    """Bring the server of PREFECT_API_URL to what `prefect.yaml` says; doing it again changes nothing.

    Waits up to `patience` seconds for the server; raises Temporary when it does not answer. `alone` says that no worker
    is at work: what seems to be under way is then ended.
    """
    if not PREFECT_YAML.exists():
        raise ConfigurationError([f"prefect.yaml: not beside the flows in {PREFECT_YAML.parent}; run from a clone"])
    asyncio.run(_prepare(patience, alone))
    _register()


async def _prepare(patience: float, alone: bool) -> None:
    async with get_client() as client:
        await wait_for_server(client, patience)
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        await ensure_automations(client)
        if alone:
            await end_leftovers(client, POOL)


def _register() -> None:
    try:
        run_prefect("deploy", "--all", "--prefect-file", str(PREFECT_YAML))
    except SystemExit as ended:
        if ended.code:
            raise Temporary("prefect deploy failed; its output says why") from None
