"""From the queue to the relay: claim, MAIL, RCPT, DATA, mark, content, result; and what a crash left behind."""

from comms.services.sending.channel import Channel, channel_state
from comms.services.sending.report import Ended, SendingReport
from comms.services.sending.rescue import Rescued, rescue_lost_emails
from comms.services.sending.run import send_queued_emails

__all__ = [
    "Channel",
    "Ended",
    "Rescued",
    "SendingReport",
    "channel_state",
    "rescue_lost_emails",
    "send_queued_emails",
]
