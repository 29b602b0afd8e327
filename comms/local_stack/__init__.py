"""The supervisor behind `comms up` and `comms demo`."""
