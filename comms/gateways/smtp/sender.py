"""Opening a connection: greeting, EHLO, TLS, login. All of it before any mail byte."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path

from comms.config import SmtpSettings
from comms.errors import ConfigurationError
from comms.gateways.smtp.connection import SmtpConnection
from comms.gateways.smtp.wire import Answer, Broken, Wire, dial
from comms.ports import ChannelFault
from comms.rules.replies import Fault, Phase, Reply


class SmtpSender:
    """Opens connections to the relay of the settings."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._tls = None if settings.security == "none" else _verifying(settings.ca_file)

    def connect(self) -> SmtpConnection:
        """Return a connection ready for MAIL; raises ChannelFault otherwise, before any mail byte."""
        settings = self._settings
        if settings.username and self._tls is None:
            raise ChannelFault(Reply(Phase.AUTH, fault=Fault.AUTH_UNSAFE))
        try:
            wire = dial(settings.host, settings.port, settings.connect_timeout)
        except Broken as broken:
            raise ChannelFault(Reply(Phase.CONNECT, fault=broken.fault)) from None
        greeting = _Greeting(wire, settings, self._tls)
        try:
            return SmtpConnection(wire, greeting.exchange(), settings.command_timeout, settings.content_timeout)
        except Broken as broken:
            wire.close()
            raise ChannelFault(Reply(greeting.phase, fault=broken.fault)) from None
        except ChannelFault:
            wire.close()
            raise


def _verifying(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(["COMMS_SMTP_CA_FILE: cannot be read as certificates"]) from error


class _Greeting:
    """The exchange before the first letter; `phase` is where it stands."""

    def __init__(self, wire: Wire, settings: SmtpSettings, tls: ssl.SSLContext | None) -> None:
        self._wire, self._settings, self._tls = wire, settings, tls
        self.phase = Phase.CONNECT

    def exchange(self) -> Mapping[str, str]:
        """Return what the server offers, {keyword: parameters}, once TLS and login are done."""
        if self._tls and self._settings.security == "tls":
            self._encrypt(self._tls)
        self._expect(220, self._answer())
        offers = self._ehlo()
        if self._tls and self._settings.security == "starttls":
            offers = self._start_tls(self._tls, offers)
        if self._settings.username:
            self._log_in(offers)
        return offers

    def _ehlo(self) -> dict[str, str]:
        answer = self._ask(f"EHLO {self._wire.own_address()}")
        self._expect(250, answer)
        words = (line.partition(" ") for line in answer.lines[1:])
        return {name.upper(): parameters for name, _, parameters in words}

    def _start_tls(self, tls: ssl.SSLContext, offers: Mapping[str, str]) -> dict[str, str]:
        """What was offered in clear is forgotten: anybody on the way could have written it (RFC 3207 4.2)."""
        self.phase = Phase.TLS
        if "STARTTLS" not in offers:
            raise Broken(Fault.TLS_MISSING)
        self._expect(220, self._ask("STARTTLS"))
        self._encrypt(tls)
        return self._ehlo()

    def _encrypt(self, tls: ssl.SSLContext) -> None:
        self.phase = Phase.TLS
        self._wire.encrypt(tls, self._settings.host, self._settings.connect_timeout)
        self.phase = Phase.CONNECT

    def _log_in(self, offers: Mapping[str, str]) -> None:
        self.phase = Phase.AUTH
        if not self._wire.secure:
            raise Broken(Fault.AUTH_UNSAFE)
        ways = offers.get("AUTH", "").upper().split()
        name = self._settings.username or ""
        password = self._settings.password.get_secret_value() if self._settings.password else ""
        if "PLAIN" in ways:
            self._expect(235, self._ask("AUTH PLAIN " + _base64(f"\0{name}\0{password}")))
        elif "LOGIN" in ways:
            self._expect(334, self._ask("AUTH LOGIN"))
            self._expect(334, self._ask(_base64(name)))
            self._expect(235, self._ask(_base64(password)))
        else:
            raise Broken(Fault.AUTH_MISSING)

    def _ask(self, command: str) -> Answer:
        self._wire.send(command.encode() + b"\r\n", self._settings.command_timeout)
        return self._answer()

    def _answer(self) -> Answer:
        return self._wire.answer(self._settings.command_timeout)

    def _expect(self, code: int, answer: Answer) -> None:
        if answer.code == code:
            return
        if answer.code < 400:
            raise Broken(Fault.GARBAGE)
        raise ChannelFault(answer.to_reply(self.phase))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
