"""The platform's services over HTTP: asks within bounds, reads strictly, and names what went wrong."""

from comms.gateways.platform.directory import HttpDirectory

__all__ = ["HttpDirectory"]
