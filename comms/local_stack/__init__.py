"""The supervisor behind `comms up` and `comms demo`, and what it runs. Importing it costs nothing."""
