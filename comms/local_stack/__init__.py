"""The supervisor behind `comms up` and `comms demo`, and what it runs. Importing it costs nothing."""

from pathlib import Path

import flows

PREFECT_YAML = Path(flows.__file__).parent.parent / "prefect.yaml"

POOL = "comms"
"""The work pool of `prefect.yaml`."""

HEARTBEAT = 30
"""Seconds between the heartbeats of a flow run."""

AUTOMATIONS = DIED, NEVER_BEGAN = ("end runs which died", "end runs which never began")
"""What a Prefect server does by itself for us, by name; `automations` has the rest."""
