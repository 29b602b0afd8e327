"""Certificates that a mail server may show: one good one, and every kind that must be refused."""

from __future__ import annotations

import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """Issues certificates; its own is written where clients look for whom to trust."""

    issuer: trustme.CA
    folder: Path

    @property
    def file(self) -> Path:
        path = self.folder / "authority.pem"
        self.issuer.cert_pem.write_to_path(str(path))
        return path

    def server(self, name: str = "localhost", *, expired: bool = False) -> Path:
        """Write a certificate for a host, with its key; return the file."""
        end = datetime.now(UTC) - timedelta(days=1) if expired else None
        begin = end and end - timedelta(days=30)
        issued = self.issuer.issue_cert(name, not_before=begin, not_after=end)
        path = self.folder / f"{name}{'-expired' * expired}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def itself(self) -> Path:
        """The authority's own certificate with its key: signed by nobody else."""
        path = self.folder / "self-signed.pem"
        path.write_bytes(self.issuer.private_key_pem.bytes() + self.issuer.cert_pem.bytes())
        return path


def shows(certificate: Path, *, only: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Make a server's side; `only` one version, however old."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if only:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = context.maximum_version = only
    return context
