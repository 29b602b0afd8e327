"""What the Prefect server does by itself about runs which died; without it they keep their deployment's only slot."""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState

from comms.local_stack import DIED, HEARTBEAT, NEVER_BEGAN

SILENCE = timedelta(seconds=3 * HEARTBEAT)
"""A running run that says nothing for three heartbeats is dead."""

START = timedelta(minutes=10)
"""A run that was given to a worker has begun by then, images pulled included, or never will."""

_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}


def automations() -> list[AutomationCore]:
    """All automations that a server shall have; their names are their identity."""
    beat = "prefect.flow-run.heartbeat"
    pending, running = "prefect.flow-run.Pending", "prefect.flow-run.Running"
    return [
        _crash(DIED, {beat}, {beat, *_ENDS}, SILENCE, "was silent"),
        _crash(NEVER_BEGAN, {pending}, {running, *_ENDS}, START, "did not begin"),
    ]


def _crash(name: str, after: set[str], expect: set[str], within: timedelta, what: str) -> AutomationCore:
    return AutomationCore(
        name=name,
        description="Such a run would keep its deployment's slot, and every later run would wait or be canceled.",
        trigger=EventTrigger(
            posture=Posture.Proactive, after=after, expect=expect, within=within, threshold=1,
            match={"prefect.resource.id": ["prefect.flow-run.*"]}, for_each={"prefect.resource.id"},
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"{what} for {within.seconds} s: it has died")],
    )  # fmt: skip


async def ensure_automations(client: PrefectClient) -> None:
    """Create what is missing, renew and switch on what is there, and remove doubles."""
    for wanted in automations():
        found = await client.read_automations_by_name(wanted.name)
        for double in found[1:]:
            await client.delete_automation(double.id)
        if found:
            await client.update_automation(found[0].id, wanted)
            await client.resume_automation(found[0].id)  # an update leaves one that was switched off as it is
        else:
            await client.create_automation(wanted)
