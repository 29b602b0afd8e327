"""SMTP."""

from __future__ import annotations

from comms.config import SmtpSettings
from comms.ports import EmailConnection


class SmtpSender:
    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings

    def connect(self) -> EmailConnection:
        raise NotImplementedError
