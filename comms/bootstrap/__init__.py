"""The one place that picks concrete parts from settings; everything below is handed what it needs.

`parts` makes them, `jobs` wires the steps of the daily work for flows and commands, `trouble` retells what they raise.
"""

from comms.bootstrap.parts import correspondence, email_sender, engine, sessions, settings, start_logging

__all__ = ["correspondence", "email_sender", "engine", "sessions", "settings", "start_logging"]
