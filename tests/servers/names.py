"""A name server on loopback that knows what it is told, and nothing else."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = dict[tuple[str, str], list[str]]
"""By name and kind of record: ("platzsuche.de", "TXT") to `['"v=spf1 -all"']`."""


class NameServer:
    """Runs from `with` to `with`'s end; while it is `silent` it answers nobody."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._port: int = self._socket.getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1#{self._port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self._port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(4096)
            if not question:
                return
            if not self.silent:
                self._socket.sendto(self._answer(question), asker)

    def _answer(self, question: bytes) -> bytes:
        asked = dns.message.from_wire(question)
        answer = dns.message.make_response(asked)
        one = asked.question[0]
        name, kind = one.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(one.rdtype)
        if rows := self.zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(one.name, 60, "IN", kind, *rows))
        elif not any(known == name for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()
