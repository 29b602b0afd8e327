"""Letters: which facts stand in them, what they say, and the bytes that go over the wire.

`patient_facts` is asked once per patient when an email is made; its answer is frozen with the email. `Letters.render`
makes subject and both parts from frozen facts only, so the same letter can be made again without a patient's row.
"""

from comms.rules.salutation import Addressee, greeting, name_on_envelope
from comms.services.letters.addresses import new_message_id, new_reply_token, reply_address
from comms.services.letters.context import EarlierEmail, PatientLine
from comms.services.letters.facts import patient_facts
from comms.services.letters.message import Headers, Parts, build_message
from comms.services.letters.render import Letters, Rendered

__all__ = [
    "Addressee",
    "EarlierEmail",
    "Headers",
    "Letters",
    "Parts",
    "PatientLine",
    "Rendered",
    "build_message",
    "greeting",
    "name_on_envelope",
    "new_message_id",
    "new_reply_token",
    "patient_facts",
    "reply_address",
]
