"""The supervisor behind `comms up` and `comms demo`, and what it runs. Importing it costs nothing."""

POOL = "comms"
"""The work pool of `prefect.yaml`."""

HEARTBEAT = 30
"""Seconds between the heartbeats of a flow run."""
