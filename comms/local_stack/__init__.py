"""The supervisor behind `comms up` and `comms demo`, and what it runs. Importing it costs nothing."""

import sys
from pathlib import Path

import flows

_PLACES = (
    Path(flows.__file__).parent.parent / "prefect.yaml",  # in a clone
    Path(sys.prefix) / "share" / "communication-service" / "prefect.yaml",  # where the wheel puts it
)
PREFECT_YAML = next((place for place in _PLACES if place.exists()), _PLACES[0])

POOL = "comms"
"""The work pool of `prefect.yaml`."""

HEARTBEAT = 30
"""Seconds between the heartbeats of a flow run."""

AUTOMATIONS = DIED, NEVER_BEGAN = ("end runs which died", "end runs which never began")
"""What a Prefect server does by itself for us, by name; `automations` has the rest."""
