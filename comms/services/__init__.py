"""Use cases: load, ask a rule, change rows, add an outbox event."""
