"""Letters over one open connection, one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from comms.gateways.smtp.envelope import Envelope, Unsendable, make_envelope
from comms.gateways.smtp.wire import Broken, Wire
from comms.ports import Handed, Letter
from comms.rules.replies import Fault, Phase, Reply

FAREWELL_SECONDS = 2.0
LAST_WORDS_SECONDS = 1.0
"""How long to look for the refusal of a server that closed while the content was still going out."""

_LONE_END = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"(?m)^\.")


def prepare_content(content: bytes) -> bytes:
    """End every line with CRLF and double leading dots (RFC 5321 4.5.2), so that only the final dot can end it."""
    ends = content.count(b"\r\n")
    if content.count(b"\n") != ends or content.count(b"\r") != ends:
        content = _LONE_END.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return _LEADING_DOT.sub(b"..", content)


class SmtpConnection:
    """One reusable connection; not thread-safe. `offers` is what EHLO listed. Timeouts in seconds."""

    def __init__(self, wire: Wire, offers: Mapping[str, str], command_timeout: float, content_timeout: float) -> None:
        self._wire, self._offers = wire, offers
        self._command_timeout, self._content_timeout = command_timeout, content_timeout
        self._unfinished = False
        self.alive = True

    def send(self, letter: Letter, may_hand_over: Callable[[], bool]) -> Handed:
        """Hand one letter over; trouble is in the answer, never raised, but for what `may_hand_over` itself raises.

        `may_hand_over` is asked once, after 354 and before the content; at False the connection closes without the dot.
        """
        try:
            envelope = make_envelope(letter, self._offers)
        except Unsendable as unsendable:
            return Handed(letter.email_id, unsendable.reply, marked=False)
        content = prepare_content(letter.content)
        refusal = self._open_data(envelope)
        if refusal is None and not self._allowed(may_hand_over):
            refusal = Reply(Phase.DATA, fault=Fault.MARK_REFUSED)
        if refusal is not None:
            return Handed(letter.email_id, refusal, marked=False)
        return Handed(letter.email_id, self._hand_over(content), marked=True)

    def refusal_of(self, sender: str, recipient: str) -> Reply | None:
        """Ask whether it would take a letter between these two, and hand none over; None means yes."""
        try:
            envelope = make_envelope(Letter(0, sender, recipient, b""), self._offers)
        except Unsendable as unsendable:
            return unsendable.reply
        self._unfinished = True  # whatever comes next begins with RSET
        return self._converse([(Phase.MAIL, envelope.mail), (Phase.RCPT, envelope.rcpt)])

    def _allowed(self, may_hand_over: Callable[[], bool]) -> bool:
        """After 354 there is no way back but closing: RSET would be content."""
        allowed = False
        try:
            allowed = may_hand_over()
        finally:
            if not allowed:
                self._break_off()
        return allowed

    def _open_data(self, envelope: Envelope) -> Reply | None:
        """Get as far as 354; else say who refused."""
        commands = [(Phase.MAIL, envelope.mail), (Phase.RCPT, envelope.rcpt), (Phase.DATA, b"DATA\r\n")]
        if self._unfinished:
            commands.insert(0, (Phase.MAIL, b"RSET\r\n"))
        self._unfinished = True
        return self._converse(commands)

    def _converse(self, commands: list[tuple[Phase, bytes]]) -> Reply | None:
        """Say all of it, in one write where the server allows that; the first refusal is the answer."""
        phase = Phase.MAIL
        try:
            if "PIPELINING" in self._offers:
                return self._pipelined(commands)
            for phase, command in commands:
                self._wire.send(command, self._command_timeout)
                reply = self._wire.answer(self._command_timeout).to_reply(phase)
                if not _goes_on(reply):
                    return self._refused(reply)
        except Broken as broken:
            self._break_off()
            return Reply(phase, fault=broken.fault)
        return None

    def _pipelined(self, commands: list[tuple[Phase, bytes]]) -> Reply | None:
        """All commands in one write, then as many replies (RFC 2920); the first refusal decides."""
        self._wire.send(b"".join(command for _, command in commands), self._command_timeout)
        refusal: Reply | None = None
        for phase, _ in commands:
            try:
                reply = self._wire.answer(self._command_timeout).to_reply(phase)
            except Broken as broken:
                self._break_off()
                return refusal or Reply(phase, fault=broken.fault)
            if refusal and reply.code == 354:
                self._break_off()  # it waits for content that has no recipient
            elif not refusal and not _goes_on(reply):
                refusal = self._refused(reply)
                if not self.alive:
                    break
        return refusal

    def _refused(self, reply: Reply) -> Reply:
        """A reply that fits no step means that both sides count differently; 421 announces the end (RFC 5321 3.8)."""
        if reply.code is None or reply.code < 400:
            self._break_off()
            return Reply(reply.phase, fault=Fault.GARBAGE)
        if reply.code == 421:
            self._break_off()
        return reply

    def _hand_over(self, content: bytes) -> Reply:
        """Content, then the dot by itself: until the dot is on its way, the server cannot have taken the message.

        Whatever the server says before the dot is no answer to it: then the dot is kept back.
        """
        try:
            self._wire.send(content, self._content_timeout)
            if self._wire.has_spoken():
                return self._last_words(Fault.GARBAGE)
        except Broken as broken:
            return self._last_words(broken.fault)
        try:
            self._wire.send(b".\r\n", self._command_timeout)
            reply = self._wire.answer(self._content_timeout).to_reply(Phase.CONTENT)
        except Broken as broken:
            self._break_off()
            return Reply(Phase.CONTENT, fault=broken.fault)
        self._unfinished = False
        if reply.code == 421 or (reply.code is not None and not 200 <= reply.code < 300 and reply.code < 400):
            self._break_off()
        return reply

    def _last_words(self, fault: Fault) -> Reply:
        """The content did not go through, so the message was not taken; a refusal, if there is one, says why."""
        try:
            reply = self._wire.answer(LAST_WORDS_SECONDS).to_reply(Phase.CONTENT)
        except Broken:
            reply = Reply(Phase.DATA, fault=fault)
        self._break_off()
        return reply if reply.code is None or reply.code >= 400 else Reply(Phase.DATA, fault=fault)

    def _break_off(self) -> None:
        self.alive = False
        self._wire.close()

    def close(self) -> None:
        """Say QUIT if possible and forget the socket; never raises."""
        if not self.alive:
            return
        try:
            self._wire.send(b"QUIT\r\n", FAREWELL_SECONDS)
            self._wire.answer(FAREWELL_SECONDS)
        except Broken:
            pass
        self._break_off()


def _goes_on(reply: Reply) -> bool:
    if reply.phase is Phase.DATA:
        return reply.code == 354
    return reply.code is not None and 200 <= reply.code < 300
