"""The wiring: steps, what is told of them, what is told of errors."""
