"""Business decisions: pure functions of the standard library, `now` always an argument."""
