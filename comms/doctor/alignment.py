"""Will others believe that our letters are ours? SPF, DKIM and DMARC of the domain in From, and where answers go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dns.exception import DNSException, Timeout
from dns.name import from_text
from dns.resolver import NXDOMAIN, NoAnswer, NoNameservers, NoResolverConfiguration, Resolver

from comms.config import Settings
from comms.config.faults import SAMPLE_DOMAIN
from comms.doctor.findings import Finding, fault, ok, unknown, warning

SUBJECT = "sender"
SECONDS = 4.0
"""For one question, all tries together."""
ASK_AGAIN = "ask again where DNS can be asked, or name a server: --nameserver 9.9.9.9"


class _Silent(Exception):
    """No name server that knows can be asked."""


def look(settings: Settings, nameserver: str | None) -> Iterator[Finding]:
    """Ask DNS; From and the envelope have one domain, so SPF and DKIM of that domain are aligned for DMARC."""
    domain = settings.email_sender.rpartition("@")[2]
    if SAMPLE_DOMAIN.search(domain):
        yield ok(SUBJECT, f"{domain} is a sample; there is nothing to ask about it")
        return
    try:
        zone = _Zone(nameserver)
        yield _spf(zone, domain)
        yield _dkim(zone, domain, settings.dkim_selector)
        yield _dmarc(zone, domain)
        for name, address in (("COMMS_REPLY_TO", settings.reply_to), ("COMMS_UNSUBSCRIBE", settings.unsubscribe)):
            yield from _answers(zone, name, address.rpartition("@")[2])
    except _Silent:
        yield unknown(SUBJECT, "DNS does not answer, so SPF, DKIM and DMARC stay unknown", ASK_AGAIN)


def _spf(zone: _Zone, domain: str) -> Finding:
    found = [text for text in zone.texts(domain) if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]
    if not found:
        return fault(SUBJECT, f"SPF: {domain} has none", "publish one that names the relay: v=spf1 … -all")
    if len(found) > 1:
        return fault(SUBJECT, f"SPF: {domain} has {len(found)}, which counts as broken", "make one of them")
    if re.search(r" \+?all\b", found[0], re.IGNORECASE):
        return warning(SUBJECT, "SPF: lets everybody write in our name", "end it with ~all or -all")
    return ok(SUBJECT, f"SPF: {domain} has one")


def _dkim(zone: _Zone, domain: str, selector: str) -> Finding:
    if not selector:
        return unknown(SUBJECT, "DKIM: the selector is not known", "COMMS_DKIM_SELECTOR: the one the relay signs with")
    name = f"{selector}._domainkey.{domain}"
    found = [text for text in zone.texts(name) if re.search(r"\bp=", text)]
    if not found:
        return fault(SUBJECT, f"DKIM: there is no key at {name}", "publish the relay's key, or correct the selector")
    if not re.search(r"\bp=\s*[A-Za-z0-9+/]", found[0]):
        return fault(SUBJECT, f"DKIM: the key at {name} is withdrawn", "let the relay sign with one that stands")
    return ok(SUBJECT, f"DKIM: the key {selector} stands")


def _dmarc(zone: _Zone, domain: str) -> Finding:
    """A domain without one inherits that of the domain above it (RFC 7489, 6.6.3)."""
    for above in _parents(domain):
        found = [text for text in zone.texts(f"_dmarc.{above}") if text.upper().startswith("V=DMARC1")]
        if found:
            policy = re.search(r"\bp\s*=\s*(\w+)", found[0], re.IGNORECASE)
            return ok(SUBJECT, f"DMARC: {above} says p={policy[1].lower() if policy else '?'}")
    return fault(SUBJECT, f"DMARC: {domain} has none", "publish v=DMARC1; p=quarantine; large providers ask for it")


def _parents(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[first:]) for first in range(max(1, len(labels) - 1))]


def _answers(zone: _Zone, name: str, domain: str) -> Iterator[Finding]:
    if not SAMPLE_DOMAIN.search(domain) and not zone.takes_mail(domain):
        yield fault(SUBJECT, f"{name}: {domain} takes no mail", "publish an MX, or correct the address")


class _Zone:
    """What DNS says; _Silent where nobody can be asked."""

    def __init__(self, nameserver: str | None) -> None:
        try:
            self._resolver = Resolver(configure=nameserver is None)
        except (NoResolverConfiguration, OSError):
            raise _Silent from None
        if nameserver:
            host, _, port = nameserver.partition("#")
            self._resolver.nameservers, self._resolver.port = [host], int(port or 53)
        self._resolver.lifetime = SECONDS

    def texts(self, name: str) -> list[str]:
        return ["".join(part.decode("utf-8", "replace") for part in row.strings) for row in self._ask(name, "TXT")]

    def takes_mail(self, domain: str) -> bool:
        """By an MX, or without one by its own address (RFC 5321, 5.1); a lone "." refuses all mail (RFC 7505)."""
        if mx := self._ask(domain, "MX"):
            return any(str(row.exchange) != "." for row in mx)
        return bool(self._ask(domain, "A") or self._ask(domain, "AAAA"))

    def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            return list(self._resolver.resolve(from_text(name), kind))
        except (NXDOMAIN, NoAnswer):
            return []
        except (Timeout, NoNameservers, DNSException):
            raise _Silent from None
