"""What the mail catcher got, asked over IMAP: a count that owes nothing to our own database."""

from __future__ import annotations

import imaplib
import re

from comms.errors import Temporary
from comms.local_stack.parts import CATCHER_LOGIN
from comms.local_stack.ports import HOST


def count_mails(port: int) -> int:
    """Number of mails in the catcher's inbox since it started."""
    try:
        with imaplib.IMAP4(HOST, port, timeout=10) as mailbox:
            mailbox.login(CATCHER_LOGIN, CATCHER_LOGIN)
            _, told = mailbox.status("INBOX", "(MESSAGES)")
    except (OSError, imaplib.IMAP4.error) as error:
        raise Temporary(f"the mail catcher does not answer ({type(error).__name__})") from None
    found = re.search(rb"MESSAGES (\d+)", told[0] or b"")
    return int(found[1]) if found else 0
