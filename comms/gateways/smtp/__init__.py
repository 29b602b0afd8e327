"""SMTP to one relay: verified TLS, one recipient a letter, and a clear line before which nothing was handed over.

Nothing here logs, raises or returns the text of a reply: it may hold addresses.
"""

from comms.gateways.smtp.sender import SmtpSender

__all__ = ["SmtpSender"]
