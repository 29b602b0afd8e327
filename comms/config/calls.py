"""When calls may stand, and how often they are tried."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from comms.config.contacts import Contacts
from comms.config.fields import setting
from comms.errors import ConfigurationError
from comms.rules.availability import read_availability
from comms.rules.policy import CallPolicy

Land = Literal["BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH"]

OFFICE_HOURS = (
    '{"Mo": ["08:00-18:00"], "Di": ["08:00-18:00"], "Mi": ["08:00-18:00"], "Do": ["08:00-18:00"], '
    '"Fr": ["08:00-18:00"]}'
)


class Calls(Contacts):
    """Calls"""

    follow_up_after_hours: int = setting(
        168, "COMMS_FOLLOW_UP_AFTER_HOURS", "An email without an answer for this long leads to a call.", ge=1, le=8760
    )
    call_minutes: int = setting(5, "COMMS_CALL_MINUTES", "Length of a call.", ge=5, le=120, multiple_of=5)
    call_lead_minutes: int = setting(
        30, "COMMS_CALL_LEAD_MINUTES", "A call is at least this far ahead.", ge=0, le=10080
    )
    call_look_ahead_days: int = setting(14, "COMMS_CALL_LOOK_AHEAD_DAYS", "And at most this far.", ge=1, le=60)
    call_tries: int = setting(3, "COMMS_CALL_TRIES", "Tries before the staff list.", ge=1, le=20)
    call_retry_days: int = setting(1, "COMMS_CALL_RETRY_DAYS", "From a missed call to the next try.", ge=1, le=30)
    no_slot_days: int = setting(
        3, "COMMS_NO_SLOT_DAYS", "A search for a slot may fail this long before staff see it.", ge=0, le=60
    )
    callers: int = setting(1, "COMMS_CALLERS", "How many people make calls.", ge=1, le=1000)
    caller_hours: str = setting(
        OFFICE_HOURS, "COMMS_CALLER_HOURS", "When they call, in the notation of the phone hours."
    )
    default_land: Land | None = setting(
        None,
        "COMMS_DEFAULT_LAND",
        "Whose holidays count where the Land of the practice is unknown.",
        shown="the nationwide holidays",
    )

    def call_policy(self) -> CallPolicy:
        """Raises ConfigurationError when the callers' hours cannot be read."""
        hours = read_availability(self.caller_hours)
        if hours.faults or not hours.windows:
            raise ConfigurationError([f"COMMS_CALLER_HOURS: {fault}" for fault in hours.faults or ["no hours in it"]])
        return CallPolicy(
            follow_up_after=timedelta(hours=self.follow_up_after_hours),
            minutes=self.call_minutes,
            lead=timedelta(minutes=self.call_lead_minutes),
            look_ahead=timedelta(days=self.call_look_ahead_days),
            retry_after=timedelta(days=self.call_retry_days),
            tries=self.call_tries,
            no_slot_patience=timedelta(days=self.no_slot_days),
            callers=self.callers,
            caller_hours=hours.windows,
            default_land=self.default_land,
            zone=self.time_zone,
            window=timedelta(hours=self.contact_window_hours),
            cooling=timedelta(weeks=self.cooling_weeks),
        )
