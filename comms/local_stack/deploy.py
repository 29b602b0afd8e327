"""Registers the deployments of `prefect.yaml`, the work pool, and the automation that ends runs which died."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.exceptions import ObjectAlreadyExists

import flows
from comms.errors import ConfigurationError, Temporary
from comms.local_stack import HEARTBEAT, POOL
from comms.local_stack.prefect_client import run_prefect, wait_for_server

PREFECT_YAML = Path(flows.__file__).parent.parent / "prefect.yaml"
ZOMBIES = "end runs which died"
SILENCE = timedelta(seconds=3 * HEARTBEAT)
"""A run that says nothing for three heartbeats is dead."""


def deploy(patience: float = 0) -> None:
    """Bring the server of PREFECT_API_URL to what `prefect.yaml` says; doing it again changes nothing.

    Waits up to `patience` seconds for the server. Raises Temporary when it does not answer.
    """
    if not PREFECT_YAML.exists():
        raise ConfigurationError([f"prefect.yaml: not beside the flows in {PREFECT_YAML.parent}; run from a clone"])
    asyncio.run(_prepare(patience))
    _register()


async def _prepare(patience: float) -> None:
    async with get_client() as client:
        await wait_for_server(client, patience)
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        await _ensure_automation(client)


async def _ensure_automation(client: PrefectClient) -> None:
    wanted = zombie_automation()
    found = await client.read_automations_by_name(ZOMBIES)
    for extra in found[1:]:
        await client.delete_automation(extra.id)
    if found:
        await client.update_automation(found[0].id, wanted)
    else:
        await client.create_automation(wanted)


def zombie_automation() -> AutomationCore:
    """A run that sent a heartbeat and then neither another one nor its end is crashed; that frees its slot."""
    return AutomationCore(
        name=ZOMBIES,
        description="A flow run whose process died with its worker would stay Running and keep its concurrency slot.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
            },
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(state=StateType.CRASHED, message=f"silent for {SILENCE.seconds} s: its process died")
        ],
    )


def _register() -> None:
    try:
        run_prefect("deploy", "--all", "--prefect-file", str(PREFECT_YAML))
    except SystemExit as ended:
        if ended.code:
            raise Temporary("prefect deploy failed; its output says why") from None
