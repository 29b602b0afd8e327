"""One place at the relay: a connection that is opened when needed, reused, and opened anew after some letters."""

from __future__ import annotations

from collections.abc import Callable

from comms.ports import ChannelFault, EmailConnection, EmailSender, Handed, Letter
from comms.rules.retry import Kind, classify


class Line:
    """Not thread-safe. `counted` is told +1 when a connection is to be opened and -1 when it is none (any more)."""

    def __init__(self, sender: EmailSender, letters_per_connection: int, counted: Callable[[int], None]) -> None:
        self._sender, self._most, self._counted = sender, letters_per_connection, counted
        self._connection: EmailConnection | None = None
        self._letters = 0

    def send(self, letter: Letter, may_hand_over: Callable[[], bool]) -> Handed:
        """Hand one letter over; a connection that died while it was unused costs the letter nothing."""
        reused = self._letters > 0
        handed = self._send_once(letter, may_hand_over)
        if reused and not handed.marked and classify(handed.reply) is Kind.CHANNEL_TRANSIENT:
            self.close()
            handed = self._send_once(letter, may_hand_over)
        return handed

    def _send_once(self, letter: Letter, may_hand_over: Callable[[], bool]) -> Handed:
        try:
            connection = self._open()
        except ChannelFault as fault:
            return Handed(letter.email_id, fault.reply, marked=False)
        self._letters += 1
        handed = connection.send(letter, may_hand_over)
        if not connection.alive or self._letters >= self._most:
            self.close()
        return handed

    def _open(self) -> EmailConnection:
        if self._connection is None:
            self._counted(+1)
            try:
                self._connection = self._sender.connect()
            except ChannelFault:
                self._counted(-1)
                raise
            self._letters = 0
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._letters = 0
            self._counted(-1)
